//! A strict RFC 8259 reader over borrowed text: it validates everything it passes and copies nothing.
//!
//! It never recurses: nesting lives in a bit stack whose size the body bounds, so that no input exhausts the call
//! stack, and a member that nobody reads may be as deep as it likes. Values carry what their reader must know to
//! refuse them (depth, unpaired surrogates, numbers beyond f64), because only the reader knows which field it is.

mod text;

use std::fmt;

pub(crate) use text::{Text, escape_into};

/// Where and why a text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Syntax {
    at: usize,
    what: &'static str,
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not valid JSON at byte {}: {}", self.at, self.what)
    }
}

/// One JSON value, or what stands in for one when an event does not come from JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Value<'b> {
    /// The member is not there.
    #[default]
    Absent,
    Null,
    Bool,
    /// A number in the JSON grammar.
    Number(&'b str),
    /// A number that never was text.
    Float(f64),
    /// A time that never was text, in Unix nanoseconds.
    Instant(i64),
    Text(Text<'b>),
    Array,
    Object(Object<'b>),
}

impl Value<'_> {
    /// Whether the member was given; null counts as not given.
    pub(crate) fn is_given(&self) -> bool {
        !matches!(self, Value::Absent | Value::Null)
    }

    /// The JSON type with its article, for messages.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Value::Absent => "nothing",
            Value::Null => "null",
            Value::Bool => "a boolean",
            Value::Number(_) | Value::Float(_) => "a number",
            Value::Text(_) | Value::Instant(_) => "a string",
            Value::Array => "an array",
            Value::Object(_) => "an object",
        }
    }
}

/// The one member that may be taken out of an object.
pub(crate) const VALUE: &str = "value";

/// A JSON object as it stands in the body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Object<'b> {
    /// From the opening to the closing brace.
    pub(crate) text: &'b str,
    pub(crate) traits: Traits,
    /// Its reader has taken the member [`VALUE`] out.
    pub(crate) without_value: bool,
}

/// What a value contains, at any level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traits {
    /// Levels of nesting; a scalar has 0, `{}` has 1.
    pub(crate) depth: u32,
    /// There is white space between tokens.
    pub(crate) spaced: bool,
    /// A string or key has a surrogate escape without its other half.
    pub(crate) unpaired: bool,
    /// A number is beyond the range of f64.
    pub(crate) overflow: bool,
}

impl Traits {
    pub(crate) fn join(&mut self, inner: Traits) {
        self.depth = self.depth.max(inner.depth);
        self.spaced |= inner.spaced;
        self.unpaired |= inner.unpaired;
        self.overflow |= inner.overflow;
    }
}

/// One member of an object that is being read.
#[derive(Debug)]
pub(crate) struct Member<'b> {
    pub(crate) key: Text<'b>,
    pub(crate) value: Value<'b>,
    /// Of the key and the value together.
    pub(crate) traits: Traits,
    /// From the key's first quote to the end of the value.
    pub(crate) text: &'b str,
}

/// The open containers around the reader, one bit each: 1 is an object. Kept between events for its memory, which
/// is at most an eighth of the largest body: a bit for each byte, if all are opening brackets.
#[derive(Debug, Default)]
pub(crate) struct Nest {
    words: Vec<u64>,
    len: usize,
}

impl Nest {
    fn push(&mut self, object: bool) {
        let (word, bit) = (self.len / 64, self.len % 64);
        if word == self.words.len() {
            self.words.push(0);
        }
        self.words[word] = self.words[word] & !(1 << bit) | u64::from(object) << bit;
        self.len += 1;
    }

    fn top_is_object(&self) -> bool {
        let top = self.len - 1;
        self.words[top / 64] >> (top % 64) & 1 == 1
    }
}

/// The place in a text up to which it has been read.
#[derive(Debug)]
pub(crate) struct Cursor<'b> {
    text: &'b str,
    at: usize,
}

impl<'b> Cursor<'b> {
    pub(crate) fn new(text: &'b str) -> Self {
        Self { text, at: 0 }
    }

    /// A cursor over bytes that come from outside.
    pub(crate) fn over(body: &'b [u8]) -> Result<Self, Syntax> {
        match std::str::from_utf8(body) {
            Ok(text) => Ok(Self::new(text)),
            Err(error) => Err(Syntax { at: error.valid_up_to(), what: "invalid UTF-8" }),
        }
    }

    /// The object that starts at `at`, and where it ends, if there is one.
    pub(crate) fn object_at(
        text: &'b str,
        at: usize,
        nest: &mut Nest,
    ) -> Option<(Object<'b>, usize)> {
        let mut cursor = Self { text, at };
        match cursor.value(nest) {
            Ok((Value::Object(object), _)) => Some((object, cursor.at)),
            _ => None,
        }
    }

    /// The text, and the place after white space up to which it has been read.
    pub(crate) fn place(&mut self) -> (&'b str, usize) {
        self.space();
        (self.text, self.at)
    }

    /// Goes on at `at`, up to which somebody else has read.
    pub(crate) fn skip_to(&mut self, at: usize) {
        self.at = at;
    }

    /// The error that something else was expected at the next token.
    pub(crate) fn expected(&self, what: &'static str) -> Syntax {
        let what = if self.at >= self.text.len() { "unexpected end" } else { what };
        Syntax { at: self.at, what }
    }

    /// The next byte after white space, not consumed.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        self.space();
        self.byte()
    }

    /// Consumes white space and then `byte` if that is next.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Errs unless only white space is left.
    pub(crate) fn end(&mut self) -> Result<(), Syntax> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.expected("expected the end of the text")),
        }
    }

    /// Reads an object, member by member.
    pub(crate) fn members(
        &mut self,
        nest: &mut Nest,
        mut each: impl FnMut(Member<'b>),
    ) -> Result<(), Syntax> {
        if !self.eat(b'{') {
            return Err(self.expected("expected `{`"));
        }
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            self.space();
            let start = self.at;
            let key = self.string()?;
            if !self.eat(b':') {
                return Err(self.expected("expected `:`"));
            }
            let (value, mut traits) = self.value(nest)?;
            traits.unpaired |= key.unpaired;
            each(Member { key, value, traits, text: &self.text[start..self.at] });
            if self.eat(b',') {
                continue;
            }
            if self.eat(b'}') {
                return Ok(());
            }
            return Err(self.expected("expected `,` or `}`"));
        }
    }

    /// Reads any value.
    pub(crate) fn value(&mut self, nest: &mut Nest) -> Result<(Value<'b>, Traits), Syntax> {
        let first = self.peek();
        if !matches!(first, Some(b'{' | b'[')) {
            return self.scalar();
        }
        let start = self.at;
        let traits = self.container(nest)?;
        let value = match first {
            Some(b'{') => Value::Object(Object {
                text: &self.text[start..self.at],
                traits,
                without_value: false,
            }),
            _ => Value::Array,
        };
        Ok((value, traits))
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Skips white space and says whether there was any.
    fn space(&mut self) -> bool {
        let start = self.at;
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
        self.at > start
    }

    fn string(&mut self) -> Result<Text<'b>, Syntax> {
        if self.byte() != Some(b'"') {
            return Err(self.expected("expected a string"));
        }
        let (text, end) =
            text::scan(self.text, self.at + 1).map_err(|(at, what)| Syntax { at, what })?;
        self.at = end;
        Ok(text)
    }

    fn scalar(&mut self) -> Result<(Value<'b>, Traits), Syntax> {
        let mut traits = Traits::default();
        let value = match self.byte() {
            Some(b'"') => {
                let text = self.string()?;
                traits.unpaired = text.unpaired;
                Value::Text(text)
            }
            Some(b'-' | b'0'..=b'9') => {
                let (number, overflow) = self.number()?;
                traits.overflow = overflow;
                Value::Number(number)
            }
            Some(b't') => self.word("true", Value::Bool)?,
            Some(b'f') => self.word("false", Value::Bool)?,
            Some(b'n') => self.word("null", Value::Null)?,
            _ => return Err(self.expected("expected a value")),
        };
        Ok((value, traits))
    }

    fn word(&mut self, word: &str, value: Value<'b>) -> Result<Value<'b>, Syntax> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.expected("expected a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`, and whether that is beyond f64.
    fn number(&mut self) -> Result<(&'b str, bool), Syntax> {
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        if self.byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        let scaled = matches!(self.byte(), Some(b'e' | b'E'));
        if scaled {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let number = &self.text[start..self.at];
        // Without an exponent it takes more than 300 digits to get there.
        let suspect = scaled || number.len() > 300;
        Ok((number, suspect && !number.parse::<f64>().is_ok_and(f64::is_finite)))
    }

    fn digits(&mut self) -> Result<(), Syntax> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.byte() {
            self.at += 1;
        }
        if self.at == start { Err(self.expected("expected a digit")) } else { Ok(()) }
    }

    /// Passes an object or array and everything in it; the cursor stands at its bracket.
    fn container(&mut self, nest: &mut Nest) -> Result<Traits, Syntax> {
        nest.len = 0;
        let mut traits = Traits::default();
        let mut next = Next::Value;
        loop {
            if next == Next::After && nest.len == 0 {
                return Ok(traits);
            }
            traits.spaced |= self.space();
            next = match next {
                Next::Value => match self.byte() {
                    Some(open @ (b'{' | b'[')) => {
                        self.at += 1;
                        nest.push(open == b'{');
                        traits.depth = traits.depth.max(nest.len as u32);
                        Next::First
                    }
                    _ => {
                        traits.join(self.scalar()?.1);
                        Next::After
                    }
                },
                Next::First if self.closes(nest) => Next::After,
                Next::First if nest.top_is_object() => Next::Key,
                Next::First => Next::Value,
                Next::Key => {
                    traits.unpaired |= self.string()?.unpaired;
                    traits.spaced |= self.space();
                    if self.byte() != Some(b':') {
                        return Err(self.expected("expected `:`"));
                    }
                    self.at += 1;
                    Next::Value
                }
                Next::After if self.closes(nest) => Next::After,
                Next::After if self.byte() == Some(b',') => {
                    self.at += 1;
                    if nest.top_is_object() { Next::Key } else { Next::Value }
                }
                Next::After => return Err(self.expected("expected `,` or a closing bracket")),
            };
        }
    }

    /// Consumes the bracket that closes the innermost container, if it is next.
    fn closes(&mut self, nest: &mut Nest) -> bool {
        let close = if nest.top_is_object() { b'}' } else { b']' };
        let found = self.byte() == Some(close);
        self.at += usize::from(found);
        nest.len -= usize::from(found);
        found
    }
}

/// What may come next inside a container.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    /// The first key or item, or the end.
    First,
    Key,
    /// A comma or the end.
    After,
}

#[cfg(test)]
mod tests;
