//! The clients of a shard by key. Rule: a key names one client for ever; after it is gone the key finds nothing,
//! though its place is used again.

use super::client::Client;

/// Clients in reused places.
#[derive(Default)]
pub(super) struct Slab {
    places: Vec<Place>,
    free: Vec<u32>,
}

struct Place {
    generation: u32,
    client: Option<Client>,
}

impl Slab {
    pub(super) fn insert(&mut self, client: Client) -> u64 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { generation: 0, client: None });
            u32::try_from(self.places.len() - 1).expect("a shard has fewer than 2^32 clients")
        });
        let place = &mut self.places[index as usize];
        place.client = Some(client);
        key(index, place.generation)
    }

    pub(super) fn remove(&mut self, key: u64) -> Option<Client> {
        let place = self.place(key)?;
        let client = place.client.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key as u32);
        Some(client)
    }

    pub(super) fn get(&mut self, key: u64) -> Option<&mut Client> {
        self.place(key)?.client.as_mut()
    }

    /// Number of clients.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Number of places, over which [`Slab::at`] goes.
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    /// The client at a place with its key.
    pub(super) fn at(&mut self, index: usize) -> Option<(u64, &mut Client)> {
        let place = &mut self.places[index];
        let key = key(index as u32, place.generation);
        place.client.as_mut().map(|client| (key, client))
    }

    fn place(&mut self, key: u64) -> Option<&mut Place> {
        let place = self.places.get_mut(key as u32 as usize)?;
        (place.generation == (key >> 32) as u32).then_some(place)
    }
}

fn key(index: u32, generation: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(index)
}

#[cfg(test)]
mod tests {
    use super::super::client::{Backlog, Feed};
    use super::super::frame::Protocol;
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    #[test]
    fn a_key_of_a_client_that_went_finds_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut slab = Slab::default();
        let mut add = || {
            let socket = TcpStream::connect(address).unwrap();
            let feed = Feed::Topic { name: "t".into(), backlog: Backlog::default() };
            slab.insert(Client::new(socket, Protocol::Ws, Duration::ZERO, feed))
        };
        let (first, second) = (add(), add());
        assert!(slab.remove(first).is_some());
        assert!(slab.remove(first).is_none() && slab.get(first).is_none());
        assert_eq!((slab.len(), slab.places()), (1, 2));
        let feed = Feed::Topic { name: "t".into(), backlog: Backlog::default() };
        let socket = TcpStream::connect(address).unwrap();
        let third = slab.insert(Client::new(socket, Protocol::Ws, Duration::ZERO, feed));
        assert_ne!(first, third);
        assert_eq!(slab.places(), 2, "the place is used again");
        assert!(slab.get(first).is_none() && slab.get(second).is_some());
        assert_eq!(slab.at(0).map(|(key, _)| key), Some(third));
    }
}
