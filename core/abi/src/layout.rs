//! Pins every size and offset of the contract; a change here is a new major version.

use core::mem::{offset_of, size_of};

use crate::{
    Alert, Batch, Bytes, Descriptor, Entry, Event, Factory, Host, HttpPlugin, MetricsHost,
    NameSlot, NodeHost, Pair, Plugin, RelayHost, RelayOutcome, Relayed, Request, Response, Route,
    Span, StatePlugin, StateWriter, Str, TopicsHost,
};

const WORD: usize = size_of::<usize>();
const _: () = assert!(WORD == 8, "the contract is for 64-bit platforms");

const _: () = assert!(size_of::<Str>() == 16 && size_of::<Bytes>() == 16 && size_of::<Span>() == 8);
const _: () = assert!(size_of::<Entry>() == 32 && offset_of!(Entry, init) == 8);
const _: () = assert!(size_of::<Factory>() == 16);
const _: () = assert!(size_of::<Descriptor>() == 88 && offset_of!(Descriptor, kinds) == 48);
const _: () = assert!(size_of::<Plugin>() == 56);
const _: () = assert!(size_of::<NameSlot>() == 520);
const _: () = assert!(size_of::<Batch>() == 176 && offset_of!(Batch, time_ns) == 32);
const _: () = assert!(offset_of!(Batch, text) == 144 && offset_of!(Batch, names) == 160);
const _: () = assert!(size_of::<Event>() == 104 && offset_of!(Event, value) == 72);
const _: () = assert!(size_of::<Alert>() == 96 && offset_of!(Alert, score) == 48);
const _: () = assert!(size_of::<Host>() == 64);
const _: () = assert!(size_of::<Route>() == 72 && size_of::<Pair>() == 32);
const _: () = assert!(size_of::<Request>() == 96 && size_of::<Response>() == 32);
const _: () = assert!(size_of::<HttpPlugin>() == 16 && size_of::<MetricsHost>() == 24);
const _: () = assert!(size_of::<StateWriter>() == 16 && size_of::<StatePlugin>() == 16);
const _: () = assert!(size_of::<TopicsHost>() == 8);
const _: () = assert!(size_of::<NodeHost>() == 24 && size_of::<RelayHost>() == 8);
const _: () = assert!(size_of::<Relayed>() == 40 && size_of::<RelayOutcome>() == 16);
