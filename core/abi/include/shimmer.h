/*
 * shimmer.h - the contract between the Shimmer host and its plugins, version 1.0.
 *
 * This header is the specification. It needs nothing but a C11 (or C++11) compiler for a 64-bit platform; a
 * plugin written against it alone is a full citizen. Compile one with
 *
 *     cc -shared -fPIC -o hello.so hello.c          and check it with          shimmer plugin test hello.so
 *
 * A library exports one data symbol, `shimmer_entry`. The host reads its version, calls `init`, asks for the
 * factory, reads the descriptor, creates one instance and calls the instance's functions until it destroys it.
 *
 * THREADS. Every function carries one tag:
 *   [control]  the thread that loads the library; before the worker exists or after it has ended.
 *   [worker]   the one thread that the host gives an instance; never two calls at once.
 *   [any]      from any thread, at any time between the call of `create` and the return of `destroy`.
 * No function may be called while another one of the same instance tagged [worker] or [control] runs.
 *
 * OWNERS. A pointer in an argument, and whatever it leads to, belongs to the caller and is readable until the
 * call returns: copy what you keep. Descriptors, route tables and extensions belong to the plugin, do not change,
 * and stay readable until `deinit`. Memory never changes hands: nobody frees what the other side allocated.
 *
 * TEXT. `shimmer_str` is UTF-8 with a length; no NUL ends it. A null pointer is allowed when the length is 0.
 *
 * FAILURE. Calls answer a `shimmer_status`. No exception and no longjmp may cross the boundary.
 *
 * GROWTH. The structures below never change. New abilities arrive as extensions, asked for by an identifier
 * that ends in its revision; whoever does not know one answers NULL. The upper half of the version changes only
 * if this promise must be broken, and a host refuses a library whose upper half differs from its own.
 *
 * "May be null" is said where it holds: function pointers not marked so must be set.
 */
#ifndef SHIMMER_H
#define SHIMMER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
#define SHIMMER_ASSERT(condition, text) static_assert(condition, text)
extern "C" {
#else
#define SHIMMER_ASSERT(condition, text) _Static_assert(condition, text)
#endif

/* Put before the definition of `shimmer_entry`; works with -fvisibility=hidden. */
#if defined(__GNUC__) && defined(__cplusplus)
#define SHIMMER_EXPORT extern "C" __attribute__((visibility("default")))
#elif defined(__GNUC__)
#define SHIMMER_EXPORT __attribute__((visibility("default")))
#else
#define SHIMMER_EXPORT
#endif

#define SHIMMER_ABI_MAJOR 1u
#define SHIMMER_ABI_MINOR 0u
#define SHIMMER_ABI_VERSION ((SHIMMER_ABI_MAJOR << 16) | SHIMMER_ABI_MINOR)

/* Identifiers: the factory, and the extensions of this header. */
#define SHIMMER_ENTRY_SYMBOL "shimmer_entry"
#define SHIMMER_FACTORY_ID "shimmer.plugin-factory/1"
#define SHIMMER_HTTP_ID "shimmer.http/1"       /* asked of the plugin: shimmer_http_plugin  */
#define SHIMMER_STATE_ID "shimmer.state/1"     /* asked of the plugin: shimmer_state_plugin */
#define SHIMMER_METRICS_ID "shimmer.metrics/1" /* asked of the host:   shimmer_metrics_host */
#define SHIMMER_TOPICS_ID "shimmer.topics/1"   /* asked of the host:   shimmer_topics_host  */
#define SHIMMER_NODE_ID "shimmer.node/1"       /* asked of the host:   shimmer_node_host    */
#define SHIMMER_RELAY_ID "shimmer.relay/1"     /* asked of the host:   shimmer_relay_host   */

/* Bounds. */
#define SHIMMER_NAME_BYTES 512u                 /* longest name in the name table            */
#define SHIMMER_MAX_EFFECTS 4096u               /* effects of one `process` or `tick`        */
#define SHIMMER_MAX_LABELS 4u                   /* labels of a metric                        */
#define SHIMMER_MAX_BODY_BYTES ((size_t)8 << 20)   /* body of an answer or a message         */
#define SHIMMER_MAX_STATE_BYTES ((size_t)64 << 20) /* state blob                             */
#define SHIMMER_MAX_RELAYED 1024u               /* events of one `relay`                     */
#define SHIMMER_MAX_RELAYED_BYTES ((size_t)8 << 20) /* JSON of one `relay`                   */

/* ---- text, bytes, status ------------------------------------------------------------------------------- */

typedef struct shimmer_str {
    const char *ptr;
    size_t len;
} shimmer_str;

typedef struct shimmer_bytes {
    const uint8_t *ptr;
    size_t len;
} shimmer_bytes;

/* 0 and above is success, below 0 failure. */
typedef int32_t shimmer_status;
#define SHIMMER_OK ((shimmer_status)0)           /* done; in a transaction: accepted into it              */
#define SHIMMER_INVALID ((shimmer_status)-1)     /* an argument breaks a limit, is not UTF-8, or is null   */
#define SHIMMER_DENIED ((shimmer_status)-2)      /* no permission for it                                  */
#define SHIMMER_LIMIT ((shimmer_status)-3)       /* a bound is reached                                    */
#define SHIMMER_BUSY ((shimmer_status)-4)        /* not now: ring full or host stopping; try again later  */
#define SHIMMER_FAILED ((shimmer_status)-5)      /* the plugin failed; the host applies its restart policy */
#define SHIMMER_PANIC ((shimmer_status)-6)       /* a panic or exception was caught at the boundary       */
#define SHIMMER_UNSUPPORTED ((shimmer_status)-7) /* function, route, identifier or blob unknown           */

/* ---- batch: what a plugin reads ------------------------------------------------------------------------ */

/* Bits of the `flags` column. */
#define SHIMMER_FLAG_BEAUTY 1u  /* carries beauty_score; its kind is "beauty"                             */
#define SHIMMER_FLAG_DERIVED 2u /* emitted by a plugin                                                    */
#define SHIMMER_FLAG_UNSIGNED 4u /* came to a node of a federation without a signature                    */
#define SHIMMER_HOPS_SHIFT 8u   /* bits 8..10: plugins between the event and the outside, 0..4            */
#define SHIMMER_HOPS_MASK 7u

/* A part of an event's text; length 0 = absent. */
typedef struct shimmer_span {
    uint32_t start;
    uint32_t len;
} shimmer_span;

/* The name `id` stands at index id % names_len if the slot's id is the same, else it is gone. */
typedef struct shimmer_name_slot {
    uint32_t id;
    uint32_t len;
    uint8_t bytes[SHIMMER_NAME_BYTES];
} shimmer_name_slot;

/*
 * A contiguous run of events as columns of `len` values: the i-th value of each belongs to the event
 * `first_seq + i`. Columns are 64-byte aligned where the run starts at the head of the ring, laid out as Arrow's
 * primitive arrays without validity bitmap, and readable for the call only.
 */
typedef struct shimmer_batch {
    uint64_t first_seq;
    uint32_t len;
    uint32_t selection_len;
    const uint32_t *selection;   /* ascending indices of the events whose kind the plugin asked for        */
    uint64_t missed;             /* events overwritten unread since the last batch (lossy delivery)        */
    const int64_t *time_ns;      /* of the event, Unix nanoseconds                                         */
    const int64_t *received_ns;  /* of receipt, Unix nanoseconds                                           */
    const double *value;         /* beauty_score for beauty events; finite                                 */
    const uint32_t *kind;        /* name ids ...                                                           */
    const uint32_t *subject;     /* ... 0 = none                                                           */
    const uint32_t *source;
    const uint32_t *origin;      /* the node that took the event                                           */
    const uint32_t *flags;       /* SHIMMER_FLAG_*, hops                                                   */
    const uint32_t *text_offset; /* the event's canonical JSON is text[text_offset .. +text_len]           */
    const uint32_t *text_len;
    const uint32_t *data_start;  /* the `data` object, relative to the event's text                        */
    const uint32_t *data_len;    /* 0 = absent                                                             */
    const uint32_t *id_start;    /* the characters between the quotes of `event_id`, escapes as they stand */
    const uint32_t *id_len;
    shimmer_bytes text;
    const shimmer_name_slot *names;
    uint32_t names_len;
    uint32_t reserved;           /* zero */
} shimmer_batch;

/* ---- host: what a plugin may do ------------------------------------------------------------------------ */

/* An event to emit. The limits of posted events hold. */
typedef struct shimmer_event {
    shimmer_str event_id;  /* 1..128 bytes, or empty: the host makes one. A known id stores nothing again  */
    int64_t time_ns;       /* Unix nanoseconds, 0 = now                                                    */
    shimmer_str kind;      /* [a-z0-9._-]{1,64}                                                            */
    shimmer_str subject;   /* at most 128 characters; empty = none                                         */
    shimmer_str source;    /* empty = the plugin's name; another needs the permission source=NAME          */
    double value;          /* finite                                                                       */
    shimmer_str data_json; /* a JSON object; empty = none                                                  */
    uint64_t cause_seq;    /* the event this one derives from, 0 = none; beyond 4 hops SHIMMER_LIMIT       */
} shimmer_event;

typedef uint32_t shimmer_severity;
#define SHIMMER_SEVERITY_INFO ((shimmer_severity)0)
#define SHIMMER_SEVERITY_WARNING ((shimmer_severity)1)
#define SHIMMER_SEVERITY_CRITICAL ((shimmer_severity)2)

/* An alert; it becomes an event of kind `alert`. */
typedef struct shimmer_alert {
    shimmer_str event_id;      /* as in shimmer_event                                        */
    int64_t time_ns;           /* as in shimmer_event                                        */
    shimmer_str subject;       /* what is alerted on; at most 128 characters                 */
    shimmer_severity severity;
    uint32_t reserved;         /* zero                                                       */
    double score;              /* 0..1, the event's value                                    */
    shimmer_str description;   /* one sentence for people, at most 1,000 characters          */
    shimmer_str data_json;     /* further members of `data`, a JSON object; empty = none     */
    uint64_t cause_seq;        /* as in shimmer_event                                        */
} shimmer_alert;

typedef uint32_t shimmer_log_level;
#define SHIMMER_LOG_TRACE ((shimmer_log_level)0)
#define SHIMMER_LOG_DEBUG ((shimmer_log_level)1)
#define SHIMMER_LOG_INFO ((shimmer_log_level)2)
#define SHIMMER_LOG_WARN ((shimmer_log_level)3)
#define SHIMMER_LOG_ERROR ((shimmer_log_level)4)

/*
 * The host. The table belongs to the host and is readable from the call of `create` until `destroy` returns (or
 * until `create` returns, when that answers NULL). Own threads must have ended their calls before that.
 *
 * Transactions: what the worker emits inside `process` and `tick` is held back and becomes durable in one step
 * with the input it came from; if the call fails or the process dies, none of it ever happened. Everything else,
 * from `handle` or from own threads, stands alone: the call returns when the effect is durable, or why not.
 * While `create` runs nothing is stored: SHIMMER_BUSY.
 */
typedef struct shimmer_host shimmer_host;
struct shimmer_host {
    uint32_t abi_version; /* of the host */
    uint32_t reserved;    /* zero */
    void *ctx;            /* the host's own */

    /* [any] `seq` may be null; receives the event's sequence, or 0 inside a transaction (not known yet). */
    shimmer_status (*emit_event)(const shimmer_host *host, const shimmer_event *event, uint64_t *seq);

    /* [any] As emit_event. */
    shimmer_status (*emit_alert)(const shimmer_host *host, const shimmer_alert *alert, uint64_t *seq);

    /* [any] Weight 0..1 of a source in the weighted average; needs the permission `weights`. */
    shimmer_status (*set_weight)(const shimmer_host *host, shimmer_str source, double weight);

    /* [any] A line for the plugin's log. Beyond 4 KiB it is cut; a flood is summed up. */
    void (*log)(const shimmer_host *host, shimmer_log_level level, shimmer_str message);

    /* [any] Says why the call that is about to fail fails; shown to the operator. */
    void (*set_error)(const shimmer_host *host, shimmer_str message);

    /* [any] The host's side of an extension, readable as long as the host; NULL if unknown. */
    const void *(*get_extension)(const shimmer_host *host, const char *id);
};

/* ---- plugin: what the host calls ------------------------------------------------------------------------ */

/* What a plugin says of itself before it runs. */
typedef struct shimmer_descriptor {
    shimmer_str name;               /* [a-z0-9-]{1,64}: on cards, in metrics and routes                  */
    shimmer_str version;            /* semver                                                            */
    shimmer_str description;        /* one sentence for people                                           */
    const shimmer_str *kinds;       /* kinds it wants selected; none = all                               */
    size_t kinds_len;               /* at most 64                                                        */
    const shimmer_str *permissions; /* such as "net=listen:8091"; the configuration must grant each      */
    size_t permissions_len;         /* at most 64                                                        */
    uint32_t tick_interval_ms;      /* 0 = no ticks, else at least 10                                    */
    uint32_t reserved;              /* zero                                                              */
} shimmer_descriptor;

/* An instance. */
typedef struct shimmer_plugin shimmer_plugin;
struct shimmer_plugin {
    void *data; /* the plugin's own; the host never looks inside */

    /* [worker] First call on the worker, except for a `restore` of state. A failure counts as a crash. */
    shimmer_status (*start)(const shimmer_plugin *plugin);

    /* [worker] A run of events. A failing status discards the call's effects, and the run comes again. */
    shimmer_status (*process)(const shimmer_plugin *plugin, const shimmer_batch *batch);

    /* [worker] About every tick_interval_ms. `now_ns` is Unix time. May be null when that is 0. */
    shimmer_status (*tick)(const shimmer_plugin *plugin, int64_t now_ns);

    /* [worker] Last call on the worker: end own threads here. May be null. */
    void (*stop)(const shimmer_plugin *plugin);

    /* [control] Frees the instance and `plugin` itself. */
    void (*destroy)(const shimmer_plugin *plugin);

    /* [control] The plugin's side of an extension, readable until `destroy`; NULL if it has none. May be null. */
    const void *(*get_extension)(const shimmer_plugin *plugin, const char *id);
};

typedef struct shimmer_factory {
    const shimmer_descriptor *descriptor;

    /*
     * [control] Makes an instance. `config` is a JSON object, the plugin's own part of the configuration.
     * To refuse it, call host->set_error with the field and the remedy and answer NULL.
     * A configuration is checked by a `create` with `destroy` behind it, maybe beside a node that runs: threads and
     * listeners belong into `start`.
     */
    const shimmer_plugin *(*create)(const shimmer_host *host, shimmer_str config);
} shimmer_factory;

/* The one exported symbol:   SHIMMER_EXPORT const shimmer_entry_t shimmer_entry = { ... };   */
typedef struct shimmer_entry_t {
    uint32_t abi_version; /* SHIMMER_ABI_VERSION */
    uint32_t reserved;    /* zero */

    /* [control] Once for each load, before anything else; loads are counted by the library. `path` is its file. */
    shimmer_status (*init)(shimmer_str path);

    /* [control] Balances one `init`; after the last one nothing of the library is called. */
    void (*deinit)(void);

    /* [control] SHIMMER_FACTORY_ID -> const shimmer_factory *; NULL for an identifier it does not know. */
    const void *(*get_factory)(const char *id);
} shimmer_entry_t;

/* ---- extension shimmer.http/1: routes ------------------------------------------------------------------- */

typedef uint32_t shimmer_auth;
#define SHIMMER_AUTH_NONE ((shimmer_auth)0)   /* anyone                                                     */
#define SHIMMER_AUTH_TOKEN ((shimmer_auth)1)  /* holders of a token of the host, checked before `handle`    */
#define SHIMMER_AUTH_PLUGIN ((shimmer_auth)2) /* `handle` decides; it sees Authorization and the raw body   */

typedef uint32_t shimmer_route_kind;
#define SHIMMER_ROUTE_HTTP ((shimmer_route_kind)0) /* request and answer                                    */
#define SHIMMER_ROUTE_WS ((shimmer_route_kind)1)   /* WebSocket: `handle` gives the first message, then ... */
#define SHIMMER_ROUTE_SSE ((shimmer_route_kind)2)  /* ... whatever is published on the topic; SSE likewise  */

typedef struct shimmer_route {
    shimmer_str method;       /* GET, POST, PUT, PATCH, DELETE; GET for streams                             */
    shimmer_str pattern;      /* "/x/hello/items/{id}": {name} stands for one segment                       */
    shimmer_auth auth;
    shimmer_route_kind kind;
    shimmer_str topic;        /* of a stream; may use the pattern's parameters: "items.{id}"                */
    shimmer_str openapi_json; /* OpenAPI 3.1 operation object; empty = made from the pattern                */
} shimmer_route;

typedef struct shimmer_pair {
    shimmer_str name; /* of a header: lower-case */
    shimmer_bytes value;
} shimmer_pair;

typedef struct shimmer_request {
    uint32_t route;              /* index into the route table                                 */
    uint32_t params_len;
    const shimmer_pair *params;  /* in the pattern's order, percent-decoded                    */
    shimmer_str path;            /* as it came                                                 */
    shimmer_str query;           /* without "?", as it came                                    */
    const shimmer_pair *headers; /* without Authorization unless auth is SHIMMER_AUTH_PLUGIN   */
    size_t headers_len;
    shimmer_bytes body;          /* whole                                                      */
    shimmer_str request_id;      /* as in the log and in X-Request-Id                          */
} shimmer_request;

/* The answer under construction; belongs to the host, usable inside `handle` only. */
typedef struct shimmer_response shimmer_response;
struct shimmer_response {
    void *ctx; /* the host's own */

    /* [worker] 200..599; 200 when never called. */
    shimmer_status (*set_status)(const shimmer_response *response, uint16_t status);

    /* [worker] Content-Length and hop-by-hop headers are the host's: SHIMMER_INVALID. */
    shimmer_status (*add_header)(const shimmer_response *response, shimmer_str name, shimmer_str value);

    /* [worker] Appends to the body; SHIMMER_LIMIT beyond SHIMMER_MAX_BODY_BYTES. */
    shimmer_status (*write)(const shimmer_response *response, shimmer_bytes bytes);
};

typedef struct shimmer_http_plugin {
    /* [control] The route table; `*len` receives its length, at most 64. */
    const shimmer_route *(*routes)(const shimmer_plugin *plugin, size_t *len);

    /*
     * [worker] Answers a request; a failing status becomes 500. On a stream's route this is the connect: the body
     * is the first message (empty = none), and a status of 400 and above refuses the connection.
     */
    shimmer_status (*handle)(const shimmer_plugin *plugin, const shimmer_request *request,
                             const shimmer_response *response);
} shimmer_http_plugin;

/* ---- extension shimmer.state/1: what survives a restart -------------------------------------------------- */

typedef struct shimmer_state_writer shimmer_state_writer;
struct shimmer_state_writer {
    void *ctx; /* the host's own */

    /* [worker] Appends to the blob; SHIMMER_LIMIT beyond SHIMMER_MAX_STATE_BYTES. */
    shimmer_status (*write)(const shimmer_state_writer *writer, shimmer_bytes bytes);
};

/*
 * The host saves every few seconds, at stop, and before it answers a request other than GET with success, always
 * between two calls of `process`. After a crash it restores
 * the newest blob and replays the events behind it with their effects dropped: state must follow from blob and
 * events alone. There is no `tick` before the replay is over.
 */
typedef struct shimmer_state_plugin {
    /* [worker] Writes the state after the last event processed. */
    shimmer_status (*save)(const shimmer_plugin *plugin, const shimmer_state_writer *writer);

    /*
     * [worker] Before `start`. `cursor` is the last sequence that the blob covers; where the ring's journal is gone,
     * or a loss of power took its end, it is the one before the next event, and what the blob knows of later
     * sequences is of events that are gone. SHIMMER_UNSUPPORTED refuses a blob of another version, and the plugin
     * starts afresh.
     */
    shimmer_status (*restore)(const shimmer_plugin *plugin, shimmer_bytes blob, uint64_t cursor);
} shimmer_state_plugin;

/* ---- extension shimmer.metrics/1: own series on /metrics ------------------------------------------------- */

typedef uint32_t shimmer_metric_kind;
#define SHIMMER_METRIC_COUNTER ((shimmer_metric_kind)0) /* only grows; its name ends in _total */
#define SHIMMER_METRIC_GAUGE ((shimmer_metric_kind)1)

/* Shown as shimmer_<plugin>_<name>, `-` as `_`. Values are no part of transactions. */
typedef struct shimmer_metrics_host {
    /*
     * [any] `name` [a-z0-9_]{1,64}, `help` at most 256 characters, at most SHIMMER_MAX_LABELS label names.
     * `*id` receives the handle; the same declaration again gives the same handle.
     */
    shimmer_status (*declare)(const shimmer_host *host, shimmer_metric_kind kind, shimmer_str name,
                              shimmer_str help, const shimmer_str *labels, size_t labels_len, uint32_t *id);

    /* [any] Sets a gauge; `values` are the label values, as many as declared. */
    shimmer_status (*set)(const shimmer_host *host, uint32_t id, const shimmer_str *values, size_t values_len,
                          double value);

    /* [any] Adds to a counter (0 and above) or a gauge. */
    shimmer_status (*add)(const shimmer_host *host, uint32_t id, const shimmer_str *values, size_t values_len,
                          double value);
} shimmer_metrics_host;

/* ---- extension shimmer.topics/1: messages for own streams ------------------------------------------------ */

typedef struct shimmer_topics_host {
    /*
     * [any] Sends `message` (UTF-8, at most SHIMMER_MAX_BODY_BYTES) to all who are connected to a route of this
     * plugin with this topic (1..256 bytes). `event` names the SSE event; empty = none. Inside `process` and
     * `tick` it leaves with the transaction. Slow readers lose the oldest messages.
     */
    shimmer_status (*publish)(const shimmer_host *host, shimmer_str topic, shimmer_str event,
                              shimmer_bytes message);
} shimmer_topics_host;

/* ---- extension shimmer.node/1: the node itself ------------------------------------------------------------ */

/* Answers are readable as long as the host. */
typedef struct shimmer_node_host {
    /* [any] The node's id: the `origin` of every event that it takes. */
    shimmer_str (*id)(const shimmer_host *host);

    /* [any] Path of a folder of the plugin's own that outlives it; empty without the permission `folder`. */
    shimmer_str (*folder)(const shimmer_host *host);

    /*
     * [any] Whether `authorization`, the value of such a header ("Bearer TOKEN"), lets its bearer write without
     * limits here: SHIMMER_OK or SHIMMER_DENIED. For doors that the plugin opens itself.
     */
    shimmer_status (*authorize)(const shimmer_host *host, shimmer_str authorization);
} shimmer_node_host;

/* ---- extension shimmer.relay/1: events of other nodes ------------------------------------------------------ */

/* Nobody vouches for the event: it says so wherever it is shown, and its id alone tells it from other such events. */
#define SHIMMER_RELAY_UNSIGNED 1u

typedef struct shimmer_relayed {
    shimmer_str origin; /* node that took it, 1..128 bytes; this node's own only if unsigned; needs `origin=ID` */
    shimmer_str json;   /* as it is posted; `origin`, `received_at` and `seq` are not read                   */
    uint32_t flags;     /* SHIMMER_RELAY_*                                                                     */
    uint32_t reserved;  /* zero                                                                                */
} shimmer_relayed;

typedef struct shimmer_relay_outcome {
    uint64_t seq;          /* here, 0 unless status is SHIMMER_OK                                              */
    shimmer_status status; /* OK stored or known, INVALID, DENIED (origin), LIMIT (no name free now)            */
    uint32_t duplicate;    /* 1 = stored before: (origin, source, event_id) is known                           */
} shimmer_relay_outcome;

typedef struct shimmer_relay_host {
    /*
     * [any] Hands events over, at most SHIMMER_MAX_RELAYED and SHIMMER_MAX_RELAYED_BYTES. Returns when those that
     * are valid are durable, in their order, with outcomes[i] for each; SHIMMER_BUSY while they do not all fit into
     * the ring, and then none is stored. Never part of a transaction.
     */
    shimmer_status (*relay)(const shimmer_host *host, const shimmer_relayed *events, size_t len,
                            shimmer_relay_outcome *outcomes);
} shimmer_relay_host;

/* ---- the layout is part of the contract ------------------------------------------------------------------ */

SHIMMER_ASSERT(sizeof(void *) == 8, "the contract is for 64-bit platforms");
SHIMMER_ASSERT(sizeof(shimmer_str) == 16, "shimmer_str");
SHIMMER_ASSERT(sizeof(shimmer_bytes) == 16, "shimmer_bytes");
SHIMMER_ASSERT(sizeof(shimmer_span) == 8, "shimmer_span");
SHIMMER_ASSERT(sizeof(shimmer_name_slot) == 520, "shimmer_name_slot");
SHIMMER_ASSERT(sizeof(shimmer_batch) == 176, "shimmer_batch");
SHIMMER_ASSERT(sizeof(shimmer_event) == 104, "shimmer_event");
SHIMMER_ASSERT(sizeof(shimmer_alert) == 96, "shimmer_alert");
SHIMMER_ASSERT(sizeof(shimmer_host) == 64, "shimmer_host");
SHIMMER_ASSERT(sizeof(shimmer_descriptor) == 88, "shimmer_descriptor");
SHIMMER_ASSERT(sizeof(shimmer_plugin) == 56, "shimmer_plugin");
SHIMMER_ASSERT(sizeof(shimmer_factory) == 16, "shimmer_factory");
SHIMMER_ASSERT(sizeof(shimmer_entry_t) == 32, "shimmer_entry_t");
SHIMMER_ASSERT(sizeof(shimmer_route) == 72, "shimmer_route");
SHIMMER_ASSERT(sizeof(shimmer_pair) == 32, "shimmer_pair");
SHIMMER_ASSERT(sizeof(shimmer_request) == 96, "shimmer_request");
SHIMMER_ASSERT(sizeof(shimmer_response) == 32, "shimmer_response");
SHIMMER_ASSERT(sizeof(shimmer_http_plugin) == 16, "shimmer_http_plugin");
SHIMMER_ASSERT(sizeof(shimmer_state_writer) == 16, "shimmer_state_writer");
SHIMMER_ASSERT(sizeof(shimmer_state_plugin) == 16, "shimmer_state_plugin");
SHIMMER_ASSERT(sizeof(shimmer_metrics_host) == 24, "shimmer_metrics_host");
SHIMMER_ASSERT(sizeof(shimmer_topics_host) == 8, "shimmer_topics_host");
SHIMMER_ASSERT(sizeof(shimmer_node_host) == 24, "shimmer_node_host");
SHIMMER_ASSERT(sizeof(shimmer_relayed) == 40, "shimmer_relayed");
SHIMMER_ASSERT(sizeof(shimmer_relay_outcome) == 16, "shimmer_relay_outcome");
SHIMMER_ASSERT(sizeof(shimmer_relay_host) == 8, "shimmer_relay_host");

/* ---- conveniences: no part of the contract, compiled into the plugin ------------------------------------- */

/* Text from a C string; lives as long as that. */
static inline shimmer_str shimmer_text(const char *text)
{
    shimmer_str out;
    out.ptr = text;
    out.len = text ? strlen(text) : 0;
    return out;
}

/* Whether two texts are equal. */
static inline int shimmer_str_equal(shimmer_str a, shimmer_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* The text of a name id of this batch; empty for 0 and for a name that is gone. */
static inline shimmer_str shimmer_batch_name(const shimmer_batch *batch, uint32_t id)
{
    shimmer_str out = {NULL, 0};
    if (id != 0 && batch->names_len != 0) {
        const shimmer_name_slot *slot = &batch->names[id % batch->names_len];
        if (slot->id == id) {
            out.ptr = (const char *)slot->bytes;
            out.len = slot->len < SHIMMER_NAME_BYTES ? slot->len : SHIMMER_NAME_BYTES;
        }
    }
    return out;
}

/* The canonical JSON of event i. */
static inline shimmer_str shimmer_batch_text(const shimmer_batch *batch, uint32_t i)
{
    shimmer_str out;
    out.ptr = (const char *)batch->text.ptr + batch->text_offset[i];
    out.len = batch->text_len[i];
    return out;
}

/* The `data` object of event i as JSON; empty when absent. */
static inline shimmer_str shimmer_batch_data(const shimmer_batch *batch, uint32_t i)
{
    shimmer_str out = shimmer_batch_text(batch, i);
    out.ptr += batch->data_start[i];
    out.len = batch->data_len[i];
    return out;
}

/* The `event_id` of event i; JSON escapes are left as they stand. */
static inline shimmer_str shimmer_batch_event_id(const shimmer_batch *batch, uint32_t i)
{
    shimmer_str out = shimmer_batch_text(batch, i);
    out.ptr += batch->id_start[i];
    out.len = batch->id_len[i];
    return out;
}

/* How many plugins stand between the event and the outside. */
static inline uint32_t shimmer_hops(uint32_t flags)
{
    return (flags >> SHIMMER_HOPS_SHIFT) & SHIMMER_HOPS_MASK;
}

#ifdef __cplusplus
}
#endif

#endif /* SHIMMER_H */
