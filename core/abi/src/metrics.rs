//! `shimmer.metrics/1`: a plugin's own series on `/metrics`, pushed, so that a scrape never waits for a plugin.

use crate::{Host, Status, Str};

/// Identifier of [`MetricsHost`], asked of the host.
pub const METRICS_ID: &core::ffi::CStr = c"shimmer.metrics/1";

/// Most labels of a metric.
pub const MAX_LABELS: usize = 4;

/// Type of a metric.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricKind(pub u32);

impl MetricKind {
    /// Goes up only; its name ends in `_total`.
    pub const COUNTER: Self = Self(0);
    /// Goes anywhere.
    pub const GAUGE: Self = Self(1);
}

/// The host's side.
///
/// A metric appears as `shimmer_<plugin>_<name>` with `-` as `_`. Values are not part of transactions.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct MetricsHost {
    /// `[any]` Declares a metric; `id` receives its handle. Name `[a-z0-9_]{1,64}`, help at most 256 characters,
    /// at most [`MAX_LABELS`] label names. The same declaration again answers the same handle.
    pub declare: Option<
        unsafe extern "C" fn(
            host: *const Host,
            kind: MetricKind,
            name: Str,
            help: Str,
            labels: *const Str,
            labels_len: usize,
            id: *mut u32,
        ) -> Status,
    >,
    /// `[any]` Sets a gauge. `values` are the label values, as many as declared.
    pub set: Option<
        unsafe extern "C" fn(
            host: *const Host,
            id: u32,
            values: *const Str,
            values_len: usize,
            value: f64,
        ) -> Status,
    >,
    /// `[any]` Adds to a counter (not negative) or a gauge.
    pub add: Option<
        unsafe extern "C" fn(
            host: *const Host,
            id: u32,
            values: *const Str,
            values_len: usize,
            value: f64,
        ) -> Status,
    >,
}

// SAFETY: immutable function table.
unsafe impl Sync for MetricsHost {}
