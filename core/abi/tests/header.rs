//! Holds `include/shimmer.h` and the Rust types to one layout: a C program prints every size, offset and constant,
//! and each must equal what Rust says of the same name.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::mem::{align_of, offset_of, size_of};
use std::path::{Path, PathBuf};
use std::process::Command;

const INCLUDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/include");

/// An expression of C and the number that Rust has for it.
struct Fact {
    c: String,
    rust: i128,
}

macro_rules! facts {
    ($($c:ident = $rust:ident { $($field:ident),* $(,)? })*) => {
        vec![$(
            Fact { c: format!("sizeof({})", stringify!($c)), rust: size_of::<shimmer_abi::$rust>() as i128 },
            Fact { c: format!("_Alignof({})", stringify!($c)), rust: align_of::<shimmer_abi::$rust>() as i128 },
            $(Fact {
                c: format!("offsetof({}, {})", stringify!($c), stringify!($field)),
                rust: offset_of!(shimmer_abi::$rust, $field) as i128,
            },)*
        )*]
    };
}

fn layout() -> Vec<Fact> {
    facts! {
        shimmer_str = Str { ptr, len }
        shimmer_bytes = Bytes { ptr, len }
        shimmer_span = Span { start, len }
        shimmer_name_slot = NameSlot { id, len, bytes }
        shimmer_batch = Batch {
            first_seq, len, selection_len, selection, missed, time_ns, received_ns, value, kind, subject, source,
            origin, flags, text_offset, text_len, data_start, data_len, id_start, id_len, text, names, names_len,
            reserved,
        }
        shimmer_event = Event { event_id, time_ns, kind, subject, source, value, data_json, cause_seq }
        shimmer_alert = Alert {
            event_id, time_ns, subject, severity, reserved, score, description, data_json, cause_seq,
        }
        shimmer_host = Host {
            abi_version, reserved, ctx, emit_event, emit_alert, set_weight, log, set_error, get_extension,
        }
        shimmer_descriptor = Descriptor {
            name, version, description, kinds, kinds_len, permissions, permissions_len, tick_interval_ms, reserved,
        }
        shimmer_plugin = Plugin { data, start, process, tick, stop, destroy, get_extension }
        shimmer_factory = Factory { descriptor, create }
        shimmer_entry_t = Entry { abi_version, reserved, init, deinit, get_factory }
        shimmer_route = Route { method, pattern, auth, kind, topic, openapi_json }
        shimmer_pair = Pair { name, value }
        shimmer_request = Request {
            route, params_len, params, path, query, headers, headers_len, body, request_id,
        }
        shimmer_response = Response { ctx, set_status, add_header, write }
        shimmer_http_plugin = HttpPlugin { routes, handle }
        shimmer_state_writer = StateWriter { ctx, write }
        shimmer_state_plugin = StatePlugin { save, restore }
        shimmer_metrics_host = MetricsHost { declare, set, add }
        shimmer_topics_host = TopicsHost { publish }
        shimmer_node_host = NodeHost { id, folder, authorize }
        shimmer_relayed = Relayed { origin, json, flags, reserved }
        shimmer_relay_outcome = RelayOutcome { seq, status, duplicate }
        shimmer_relay_host = RelayHost { relay }
    }
}

fn numbers() -> Vec<Fact> {
    use shimmer_abi::{Auth, LogLevel, MetricKind, RouteKind, Severity, Status, flags};
    let pairs: Vec<(&str, i128)> = vec![
        ("SHIMMER_ABI_VERSION", shimmer_abi::ABI_VERSION.into()),
        ("SHIMMER_NAME_BYTES", shimmer_abi::NAME_BYTES as i128),
        ("SHIMMER_MAX_EFFECTS", shimmer_abi::MAX_EFFECTS as i128),
        ("SHIMMER_MAX_LABELS", shimmer_abi::MAX_LABELS as i128),
        ("SHIMMER_MAX_BODY_BYTES", shimmer_abi::MAX_BODY_BYTES as i128),
        ("SHIMMER_MAX_STATE_BYTES", shimmer_abi::MAX_STATE_BYTES as i128),
        ("SHIMMER_MAX_RELAYED", shimmer_abi::MAX_RELAYED as i128),
        ("SHIMMER_MAX_RELAYED_BYTES", shimmer_abi::MAX_RELAYED_BYTES as i128),
        ("SHIMMER_RELAY_UNSIGNED", shimmer_abi::relay_flags::UNSIGNED.into()),
        ("SHIMMER_OK", Status::OK.0.into()),
        ("SHIMMER_INVALID", Status::INVALID.0.into()),
        ("SHIMMER_DENIED", Status::DENIED.0.into()),
        ("SHIMMER_LIMIT", Status::LIMIT.0.into()),
        ("SHIMMER_BUSY", Status::BUSY.0.into()),
        ("SHIMMER_FAILED", Status::FAILED.0.into()),
        ("SHIMMER_PANIC", Status::PANIC.0.into()),
        ("SHIMMER_UNSUPPORTED", Status::UNSUPPORTED.0.into()),
        ("SHIMMER_FLAG_BEAUTY", flags::BEAUTY.into()),
        ("SHIMMER_FLAG_DERIVED", flags::DERIVED.into()),
        ("SHIMMER_FLAG_UNSIGNED", flags::UNSIGNED.into()),
        ("SHIMMER_HOPS_SHIFT", flags::HOPS_SHIFT.into()),
        ("SHIMMER_HOPS_MASK", flags::HOPS_MASK.into()),
        ("SHIMMER_SEVERITY_INFO", Severity::INFO.0.into()),
        ("SHIMMER_SEVERITY_WARNING", Severity::WARNING.0.into()),
        ("SHIMMER_SEVERITY_CRITICAL", Severity::CRITICAL.0.into()),
        ("SHIMMER_LOG_TRACE", LogLevel::TRACE.0.into()),
        ("SHIMMER_LOG_DEBUG", LogLevel::DEBUG.0.into()),
        ("SHIMMER_LOG_INFO", LogLevel::INFO.0.into()),
        ("SHIMMER_LOG_WARN", LogLevel::WARN.0.into()),
        ("SHIMMER_LOG_ERROR", LogLevel::ERROR.0.into()),
        ("SHIMMER_AUTH_NONE", Auth::NONE.0.into()),
        ("SHIMMER_AUTH_TOKEN", Auth::TOKEN.0.into()),
        ("SHIMMER_AUTH_PLUGIN", Auth::PLUGIN.0.into()),
        ("SHIMMER_ROUTE_HTTP", RouteKind::HTTP.0.into()),
        ("SHIMMER_ROUTE_WS", RouteKind::WS.0.into()),
        ("SHIMMER_ROUTE_SSE", RouteKind::SSE.0.into()),
        ("SHIMMER_METRIC_COUNTER", MetricKind::COUNTER.0.into()),
        ("SHIMMER_METRIC_GAUGE", MetricKind::GAUGE.0.into()),
    ];
    pairs.into_iter().map(|(c, rust)| Fact { c: c.to_owned(), rust }).collect()
}

fn texts() -> BTreeMap<&'static str, &'static [u8]> {
    BTreeMap::from([
        ("SHIMMER_FACTORY_ID", shimmer_abi::FACTORY_ID.to_bytes()),
        ("SHIMMER_HTTP_ID", shimmer_abi::HTTP_ID.to_bytes()),
        ("SHIMMER_STATE_ID", shimmer_abi::STATE_ID.to_bytes()),
        ("SHIMMER_METRICS_ID", shimmer_abi::METRICS_ID.to_bytes()),
        ("SHIMMER_TOPICS_ID", shimmer_abi::TOPICS_ID.to_bytes()),
        ("SHIMMER_NODE_ID", shimmer_abi::NODE_ID.to_bytes()),
        ("SHIMMER_RELAY_ID", shimmer_abi::RELAY_ID.to_bytes()),
        (
            "SHIMMER_ENTRY_SYMBOL",
            shimmer_abi::ENTRY_SYMBOL.strip_suffix(b"\0").expect("ends in NUL"),
        ),
    ])
}

/// A file in this test's own folder under the build directory.
fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Compiles `source` with warnings as errors.
fn compile(compiler: &str, package: &str, arguments: &[&str], source: &Path, output: &Path) {
    let done = Command::new(compiler)
        .args(arguments)
        .args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-I", INCLUDE, "-o"])
        .args([output, source])
        .output()
        .unwrap_or_else(|why| panic!("{compiler}: {why}; install it: apt-get install {package}"));
    assert!(done.status.success(), "{compiler}: {}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn c_and_rust_agree_on_every_size_offset_and_constant() {
    let facts: Vec<Fact> = layout().into_iter().chain(numbers()).collect();
    let mut program =
        String::from("#include \"shimmer.h\"\n#include <stdio.h>\nint main(void)\n{\n");
    for fact in &facts {
        program += &format!("    printf(\"%lld\\n\", (long long)({}));\n", fact.c);
    }
    for name in texts().keys() {
        program += &format!("    puts({name});\n");
    }
    program += "    return 0;\n}\n";
    let (source, binary) = (scratch("layout.c"), scratch("layout"));
    std::fs::write(&source, program).unwrap();
    compile("cc", "gcc", &["-std=c11"], &source, &binary);

    let output = String::from_utf8(Command::new(&binary).output().unwrap().stdout).unwrap();
    let mut lines = output.lines();
    for fact in &facts {
        let c: i128 = lines.next().unwrap().parse().unwrap();
        assert_eq!(c, fact.rust, "{}", fact.c);
    }
    for (name, text) in texts() {
        assert_eq!(lines.next().unwrap().as_bytes(), text, "{name}");
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn the_header_is_also_cpp() {
    let source = scratch("entry.cc");
    let program = "#include \"shimmer.h\"\n\
        static shimmer_status init(shimmer_str) { return SHIMMER_OK; }\n\
        static void deinit(void) {}\n\
        static const void *factory(const char *) { return nullptr; }\n\
        SHIMMER_EXPORT const shimmer_entry_t shimmer_entry = \
        {SHIMMER_ABI_VERSION, 0, init, deinit, factory};\n";
    std::fs::write(&source, program).unwrap();
    let arguments = ["-std=c++11", "-shared", "-fPIC", "-fvisibility=hidden"];
    compile("c++", "g++", &arguments, &source, &scratch("entry.so"));
}

/// The plugin in C needs nothing of this repository but the header.
#[test]
fn a_plugin_in_c_compiles_against_the_header_alone() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/c/tally.c");
    let arguments = ["-std=c11", "-shared", "-fPIC", "-fvisibility=hidden"];
    compile("cc", "gcc", &arguments, &source, &scratch("tally.so"));
}

/// A function pointer in a structure is preceded, since the last one, by a comment with its thread.
#[test]
fn every_function_states_its_thread() {
    let header = std::fs::read_to_string(Path::new(INCLUDE).join("shimmer.h")).unwrap();
    let (mut tagged, mut functions) = (false, 0);
    for line in header.lines() {
        tagged |= ["[control]", "[worker]", "[any]"].iter().any(|tag| line.contains(tag));
        if line.contains("(*") {
            assert!(tagged, "no thread is stated for {line}");
            tagged = false;
            functions += 1;
        }
    }
    assert_eq!(functions, 32, "functions of the contract");
}
