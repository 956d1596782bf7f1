//! Many events in one body: good ones are kept in one arena, bad ones are listed, in the order they came.
//!
//! Items are numbered from 0, good and bad alike; the blank lines of NDJSON are no items. What cannot be divided
//! into items (an array that is not JSON, or a body beyond the limits) is refused as a whole and leaves nothing.

use std::slice;

use crate::{
    BatchError, Event, EventError, FieldError, Limits, Receipt,
    arena::{Arena, Record},
    fast,
    json::Cursor,
    parser::{Item, Scratch, admit, check_body, not_an_object},
    posted::Posted,
};

/// Reads many events into buffers that it keeps.
///
/// Its memory is bounded by the batch limits: at most `batch_events` times `event_bytes` for the texts, and a
/// little over the body for names; [`Batch::trim`] gives it back.
#[derive(Debug, Default)]
pub struct Batch {
    scratch: Scratch,
    arena: Arena,
    rejected: Vec<(usize, Vec<FieldError>)>,
}

impl Batch {
    /// Reads one event a line (`application/x-ndjson`); lines end in LF or CRLF. A line that is not JSON is one
    /// rejected item.
    pub fn parse_ndjson(
        &mut self,
        body: &[u8],
        receipt: &Receipt<'_>,
        limits: &Limits,
    ) -> Result<(), BatchError> {
        self.begin(body, receipt, limits)?;
        // One look at all of it; a body that is no UTF-8 is looked at line by line.
        let text = std::str::from_utf8(body).unwrap_or_default();
        self.scratch.marks.look(body);
        let (mut at, mut index) = (0, 0);
        while at < body.len() {
            if let Some(found) = self.scratch.find(text, at)
                && found.is_one_line()
                && let Some(next) = next_line(body, found.end)
            {
                self.room_for(index, limits)?;
                if fast::append(&mut self.arena, index, text, &self.scratch.marks, &found, limits)
                    .is_some()
                {
                    (at, index) = (next, index + 1);
                    continue;
                }
            }
            let rest = &body[at..];
            let line = rest.split(|&b| b == b'\n').next().unwrap_or(rest);
            at += line.len() + 1;
            if line.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r')) {
                continue;
            }
            self.room_for(index, limits)?;
            let posted = self.line(line, receipt);
            self.item(index, posted, receipt, limits);
            index += 1;
        }
        Ok(())
    }

    /// Reads a JSON array of events.
    pub fn parse_array(
        &mut self,
        body: &[u8],
        receipt: &Receipt<'_>,
        limits: &Limits,
    ) -> Result<(), BatchError> {
        self.array(Item::Event, body, receipt, limits)
    }

    /// Reads a JSON array of CloudEvents 1.0 (`application/cloudevents-batch+json`).
    pub fn parse_cloudevents_batch(
        &mut self,
        body: &[u8],
        receipt: &Receipt<'_>,
        limits: &Limits,
    ) -> Result<(), BatchError> {
        self.array(Item::Cloud, body, receipt, limits)
    }

    /// Begins anew, for events that come in bodies of their own; see [`Batch::add`].
    pub fn start(&mut self, receipt: &Receipt<'_>) {
        self.clear();
        self.arena.begin(receipt);
    }

    /// Adds the one event of `body` if it is in the shape that clients mostly post. `false` leaves all as it was;
    /// [`Parser::parse`](crate::Parser::parse) then says what the body is.
    pub fn add(&mut self, body: &[u8], limits: &Limits) -> bool {
        let Ok(text) = std::str::from_utf8(body) else { return false };
        let index = self.arena.records.len();
        check_body(body, limits).is_ok()
            && self.scratch.append(&mut self.arena, index, text, limits).is_some()
    }

    /// The good events with their indices, in order.
    pub fn events(&self) -> Events<'_> {
        Events { arena: &self.arena, records: self.arena.records.iter() }
    }

    /// The bad items with their indices and everything wrong with each, in order.
    pub fn rejected(&self) -> &[(usize, Vec<FieldError>)] {
        &self.rejected
    }

    /// Closes the short way.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn careful(&mut self) {
        self.scratch.careful = true;
    }

    /// Gives back memory beyond `keep_bytes` for each buffer, and forgets the events.
    pub fn trim(&mut self, keep_bytes: usize) {
        self.clear();
        self.arena.trim(keep_bytes);
        self.scratch.trim(keep_bytes);
        self.rejected.shrink_to(0);
    }

    fn array(
        &mut self,
        item: Item,
        body: &[u8],
        receipt: &Receipt<'_>,
        limits: &Limits,
    ) -> Result<(), BatchError> {
        self.begin(body, receipt, limits)?;
        let read = self.items(item, body, receipt, limits);
        if read.is_err() {
            self.clear();
        }
        read
    }

    fn items(
        &mut self,
        item: Item,
        body: &[u8],
        receipt: &Receipt<'_>,
        limits: &Limits,
    ) -> Result<(), BatchError> {
        let mut cursor = Cursor::over(body)?;
        self.scratch.marks.look(body);
        if !cursor.eat(b'[') {
            return Err(cursor.expected("expected an array").into());
        }
        let mut more = !cursor.eat(b']');
        for index in 0.. {
            if !more {
                break;
            }
            self.room_for(index, limits)?;
            if !self.quick_item(item, index, &mut cursor, limits) {
                let nest = &mut self.scratch.nest;
                let posted = if cursor.peek() == Some(b'{') {
                    Ok(item.read(&mut cursor, nest, receipt.received_ns)?)
                } else {
                    let (value, _) = cursor.value(nest)?;
                    let message = format!("must be a JSON object, got {}", value.type_name());
                    Err(EventError::Malformed { message })
                };
                self.item(index, posted, receipt, limits);
            }
            more = cursor.eat(b',');
            if !more && !cursor.eat(b']') {
                return Err(cursor.expected("expected `,` or `]`").into());
            }
        }
        Ok(cursor.end()?)
    }

    /// Takes the short way with an item; `false` leaves all as it was.
    fn quick_item(
        &mut self,
        item: Item,
        index: usize,
        cursor: &mut Cursor<'_>,
        limits: &Limits,
    ) -> bool {
        let (text, at) = cursor.place();
        if let Item::Event = item
            && let Some(found) = self.scratch.find(text, at)
            && fast::append(&mut self.arena, index, text, &self.scratch.marks, &found, limits)
                .is_some()
        {
            cursor.skip_to(found.end);
            return true;
        }
        false
    }

    fn line<'b>(
        &mut self,
        line: &'b [u8],
        receipt: &Receipt<'_>,
    ) -> Result<Posted<'b>, EventError> {
        let nest = &mut self.scratch.nest;
        let mut cursor = Cursor::over(line)?;
        if cursor.peek() != Some(b'{') {
            return Err(not_an_object(&mut cursor, nest));
        }
        let posted = Item::Event.read(&mut cursor, nest, receipt.received_ns)?;
        cursor.end()?;
        Ok(posted)
    }

    /// Keeps one item, good or bad.
    fn item(
        &mut self,
        index: usize,
        posted: Result<Posted<'_>, EventError>,
        receipt: &Receipt<'_>,
        limits: &Limits,
    ) {
        let Self { scratch, arena, rejected } = self;
        let kept =
            posted.and_then(|posted| admit(arena, scratch, index, posted, 0, receipt, limits));
        if let Err(error) = kept {
            rejected.push((index, error.into_field_errors()));
        }
    }

    fn begin(
        &mut self,
        body: &[u8],
        receipt: &Receipt<'_>,
        limits: &Limits,
    ) -> Result<(), BatchError> {
        self.clear();
        self.arena.begin(receipt);
        let (bytes, limit) = (body.len(), limits.batch_bytes);
        if bytes > limit { Err(BatchError::TooLarge { bytes, limit }) } else { Ok(()) }
    }

    fn room_for(&mut self, index: usize, limits: &Limits) -> Result<(), BatchError> {
        let limit = limits.batch_events;
        if index < limit {
            return Ok(());
        }
        self.clear();
        Err(BatchError::TooManyEvents { limit })
    }

    fn clear(&mut self) {
        self.arena.clear();
        self.rejected.clear();
    }
}

/// Where the next line starts, if nothing but the end of its line follows an event that ends at `end`.
fn next_line(body: &[u8], end: usize) -> Option<usize> {
    match body.get(end..)? {
        [] => Some(end),
        [b'\n', ..] => Some(end + 1),
        [b'\r', b'\n', ..] => Some(end + 2),
        _ => None,
    }
}

/// The good events of a [`Batch`].
#[derive(Clone, Debug)]
pub struct Events<'a> {
    arena: &'a Arena,
    records: slice::Iter<'a, Record>,
}

impl<'a> Iterator for Events<'a> {
    /// The index of the item in the body, and its event.
    type Item = (usize, Event<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.records.next()?;
        Some((record.index, self.arena.event(record)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.records.size_hint()
    }
}

impl ExactSizeIterator for Events<'_> {}

#[cfg(test)]
mod tests;
