//! One posted body, one event: the single entry through which every event passes, whatever form it came in.
//!
//! The parser owns its buffers. Once they are as large as the largest event so far, a good event allocates nothing;
//! errors allocate their messages.

use crate::{
    Event, EventError, Limits, Receipt,
    arena::Arena,
    check::check,
    cloud::{self, Envelope},
    encode,
    fast::{self, Found, Marks},
    headers::CloudHeaders,
    json::{Cursor, Nest, Syntax, Value},
    posted::{EVENT_NAMES, Posted},
};

/// Reads single events into buffers that it keeps.
///
/// Its memory is bounded by the largest body it was given; [`Parser::trim`] gives it back.
#[derive(Debug, Default)]
pub struct Parser {
    pub(crate) scratch: Scratch,
    pub(crate) arena: Arena,
}

/// Working memory for one event at a time.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) nest: Nest,
    pub(crate) marks: Marks,
    pub(crate) decoded: String,
    pub(crate) composed: Vec<u8>,
    /// The short way is closed, so that the careful one can be held against it.
    #[cfg(any(test, fuzzing))]
    pub(crate) careful: bool,
}

/// What an object in a body is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Item {
    /// An event in the beauty or the general form.
    Event,
    /// A CloudEvent in structured mode.
    Cloud,
}

impl Item {
    /// Reads one; the cursor stands at its brace.
    pub(crate) fn read<'b>(
        self,
        cursor: &mut Cursor<'b>,
        nest: &mut Nest,
        received_ns: i64,
    ) -> Result<Posted<'b>, Syntax> {
        match self {
            Self::Event => Posted::read(cursor, nest, &EVENT_NAMES),
            Self::Cloud => Ok(Envelope::read(cursor, nest)?.into_posted(nest, received_ns)),
        }
    }
}

impl Parser {
    /// Reads one event in the beauty or the general form.
    pub fn parse(
        &mut self,
        body: &[u8],
        receipt: &Receipt<'_>,
        limits: &Limits,
    ) -> Result<Event<'_>, EventError> {
        self.object(Item::Event, body, receipt, limits)
    }

    /// Reads one CloudEvent 1.0 in structured mode (`application/cloudevents+json`).
    pub fn parse_cloudevent(
        &mut self,
        body: &[u8],
        receipt: &Receipt<'_>,
        limits: &Limits,
    ) -> Result<Event<'_>, EventError> {
        self.object(Item::Cloud, body, receipt, limits)
    }

    /// Reads one CloudEvent 1.0 in binary mode: attributes in the headers, the body is its data.
    pub fn parse_cloudevent_binary(
        &mut self,
        headers: &CloudHeaders<'_>,
        body: &[u8],
        receipt: &Receipt<'_>,
        limits: &Limits,
    ) -> Result<Event<'_>, EventError> {
        check_body(body, limits)?;
        let nest = &mut self.scratch.nest;
        let data = if body.is_empty() || !headers.is_json() {
            Value::Absent
        } else {
            let mut cursor = Cursor::over(body)?;
            let (value, _) = cursor.value(nest)?;
            cursor.end()?;
            value
        };
        let posted =
            cloud::Envelope::from_headers(headers, data).into_posted(nest, receipt.received_ns);
        self.finish(posted, 0, receipt, limits)
    }

    /// Gives back memory beyond `keep_bytes` for each buffer.
    pub fn trim(&mut self, keep_bytes: usize) {
        self.arena.trim(keep_bytes);
        self.scratch.trim(keep_bytes);
    }

    /// Checks what was posted and makes it the parser's event. A function of the fields, so that the scratch
    /// memory may be lent to `posted`.
    fn finish(
        &mut self,
        posted: Posted<'_>,
        flags: u32,
        receipt: &Receipt<'_>,
        limits: &Limits,
    ) -> Result<Event<'_>, EventError> {
        let Self { scratch, arena } = self;
        arena.begin(receipt);
        admit(arena, scratch, 0, posted, flags, receipt, limits)?;
        Ok(arena.event(&arena.records[0]))
    }

    fn object(
        &mut self,
        item: Item,
        body: &[u8],
        receipt: &Receipt<'_>,
        limits: &Limits,
    ) -> Result<Event<'_>, EventError> {
        check_body(body, limits)?;
        let mut cursor = Cursor::over(body)?;
        if let Item::Event = item {
            self.arena.begin(receipt);
            let (text, _) = cursor.place();
            if self.scratch.append(&mut self.arena, 0, text, limits).is_some() {
                return Ok(self.arena.event(&self.arena.records[0]));
            }
        }
        let nest = &mut self.scratch.nest;
        if cursor.peek() != Some(b'{') {
            return Err(not_an_object(&mut cursor, nest));
        }
        let posted = item.read(&mut cursor, nest, receipt.received_ns)?;
        cursor.end()?;
        self.finish(posted, 0, receipt, limits)
    }
}

impl Scratch {
    /// What stands at `at` of a body that was marked, if it can be read the short way.
    #[inline(always)]
    pub(crate) fn find<'b>(&mut self, body: &'b str, at: usize) -> Option<Found<'b>> {
        #[cfg(any(test, fuzzing))]
        if self.careful {
            return None;
        }
        fast::find(body, &self.marks, at, &mut self.nest)
    }

    /// Appends the one event of a body to the arena, if it can be read the short way.
    pub(crate) fn append(
        &mut self,
        arena: &mut Arena,
        index: usize,
        body: &str,
        limits: &Limits,
    ) -> Option<()> {
        let mut cursor = Cursor::new(body);
        let (text, at) = cursor.place();
        self.marks.look(body.as_bytes());
        let found = self.find(text, at)?;
        cursor.skip_to(found.end);
        cursor.end().ok()?;
        fast::append(arena, index, text, &self.marks, &found, limits)
    }

    pub(crate) fn trim(&mut self, keep_bytes: usize) {
        self.nest = Nest::default();
        self.marks.trim(keep_bytes);
        self.decoded = String::new();
        self.composed.clear();
        self.composed.shrink_to(keep_bytes);
    }
}

/// Checks one posted event and appends it to the arena.
pub(crate) fn admit<'s>(
    arena: &mut Arena,
    scratch: &'s mut Scratch,
    index: usize,
    mut posted: Posted<'s>,
    flags: u32,
    receipt: &Receipt<'s>,
    limits: &Limits,
) -> Result<(), EventError> {
    let Scratch { nest, decoded, .. } = scratch;
    posted.decode(decoded);
    let checked = check(&mut posted, receipt)?;
    encode::append(arena, index, &checked, flags, limits, nest)
}

pub(crate) fn check_body(body: &[u8], limits: &Limits) -> Result<(), EventError> {
    let (bytes, limit) = (body.len(), limits.event_body_bytes);
    if bytes <= limit {
        return Ok(());
    }
    Err(EventError::TooLarge { what: "the body", bytes, limit })
}

/// The error for a body that starts otherwise than an object: not JSON, or JSON of another type.
pub(crate) fn not_an_object(cursor: &mut Cursor<'_>, nest: &mut Nest) -> EventError {
    let read = cursor.value(nest).and_then(|(value, _)| cursor.end().map(|()| value));
    match read {
        Ok(value) => EventError::Malformed {
            message: format!("must be a JSON object, got {}", value.type_name()),
        },
        Err(syntax) => syntax.into(),
    }
}
