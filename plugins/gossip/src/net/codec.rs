//! Requests and answers on the wire: four bytes of length, big-endian, and as many bytes.
//!
//! The rule: a length above the cap is refused before a byte of it is read, and memory grows only with bytes that came.

use std::io;

use libp2p::StreamProtocol;
use libp2p::futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::request_response;

/// Caps of one protocol in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Codec {
    /// Longest request.
    pub(crate) request: usize,
    /// Longest answer.
    pub(crate) answer: usize,
}

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &Self::Protocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, self.request).await
    }

    async fn read_response<T>(&mut self, _: &Self::Protocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(io, self.answer).await
    }

    async fn write_request<T>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
        request: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &request, self.request).await
    }

    async fn write_response<T>(
        &mut self,
        _: &Self::Protocol,
        io: &mut T,
        answer: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &answer, self.answer).await
    }
}

async fn read<T: AsyncRead + Unpin + Send>(io: &mut T, cap: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length);
    if length as usize > cap {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("{length} bytes, at most {cap} are read"),
        ));
    }
    let mut bytes = Vec::new();
    io.take(u64::from(length)).read_to_end(&mut bytes).await?;
    if bytes.len() < length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

async fn write<T>(io: &mut T, bytes: &[u8], cap: usize) -> io::Result<()>
where
    T: AsyncWrite + Unpin + Send,
{
    let length = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= cap);
    let length = length.ok_or_else(|| {
        let why = format!("{} bytes, at most {cap} are sent", bytes.len());
        io::Error::new(io::ErrorKind::FileTooLarge, why)
    })?;
    io.write_all(&length.to_be_bytes()).await?;
    io.write_all(bytes).await?;
    io.close().await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use libp2p::futures::executor::block_on;
    use libp2p::futures::io::Cursor;

    use super::*;

    fn read_all(bytes: &[u8], cap: usize) -> io::Result<Vec<u8>> {
        block_on(read(&mut Cursor::new(bytes.to_vec()), cap))
    }

    #[test]
    fn what_was_written_is_read() {
        for length in [0, 1, 4_096] {
            let mut wire = Cursor::new(Vec::new());
            block_on(write(&mut wire, &vec![7; length], 4_096)).unwrap();
            assert_eq!(read_all(wire.get_ref(), 4_096).unwrap(), vec![7; length]);
        }
    }

    #[test]
    fn lengths_above_the_cap_and_short_bodies_are_refused() {
        let told = |bytes: &[u8]| read_all(bytes, 4).unwrap_err().kind();
        assert_eq!(told(&[0, 0, 0, 5, 1, 2, 3, 4, 5]), io::ErrorKind::FileTooLarge);
        assert_eq!(told(&[0xff; 8]), io::ErrorKind::FileTooLarge);
        assert_eq!(told(&[0, 0, 0, 4, 1, 2]), io::ErrorKind::UnexpectedEof);
        assert_eq!(told(&[0, 0]), io::ErrorKind::UnexpectedEof);
        let mut wire = Cursor::new(Vec::new());
        assert!(block_on(write(&mut wire, &[0; 5], 4)).is_err());
        assert!(wire.get_ref().is_empty(), "nothing of it was sent");
    }
}
