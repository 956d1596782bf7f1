//! Routes of plugins that exist but are not loaded, so that a 404 can name what to enable.

/// Whole segments with which the routes of a bundled plugin begin, the longest first.
const PREFIXES: [(&str, &str); 14] = [
    ("/api/events/performance-update", "variants"),
    ("/api/events/early-kill", "variants"),
    ("/api/correlations", "anomaly"),
    ("/api/optimization", "variants"),
    ("/api/hackathons", "projects"),
    ("/api/silences", "anomaly"),
    ("/api/variants", "variants"),
    ("/ws/hackathons", "projects"),
    ("/dashboard/ws", "variants"),
    ("/api/history", "history"),
    ("/api/metrics", "variants"),
    ("/api/alerts", "anomaly"),
    ("/federated", "gossip"),
    ("/dao", "dao"),
];
/// Webhooks of the projects plugin; other hooks are nobody's.
const HOOKS: [&str; 2] = ["/hooks/gcp-budget", "/hooks/github"];
/// Routes of third-party plugins: `/x/{name}/...`.
const THIRD_PARTY: &str = "/x/";

/// The plugin that would serve `path`.
pub(crate) fn owner(path: &str) -> Option<&str> {
    if let Some(rest) = path.strip_prefix(THIRD_PARTY) {
        return rest.split('/').next().filter(|name| !name.is_empty());
    }
    if HOOKS.iter().any(|hook| begins(path, hook)) {
        return Some("projects");
    }
    PREFIXES.iter().find(|(prefix, _)| begins(path, prefix)).map(|(_, plugin)| *plugin)
}

fn begins(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_of_a_bundled_plugin_has_its_owner() {
        for (path, plugin) in [
            ("/federated/health", "gossip"),
            ("/api/history", "history"),
            ("/api/history/events", "history"),
            ("/api/alerts/7/ack", "anomaly"),
            ("/api/silences", "anomaly"),
            ("/api/correlations", "anomaly"),
            ("/dao/proposals/1/votes", "dao"),
            ("/api/hackathons/h/dashboard", "projects"),
            ("/hooks/github/h", "projects"),
            ("/ws/hackathons/h", "projects"),
            ("/api/metrics/persona", "variants"),
            ("/api/variants/p/active", "variants"),
            ("/api/optimization/p", "variants"),
            ("/api/events/early-kill", "variants"),
            ("/dashboard/ws/p", "variants"),
            ("/x/hello/greet", "hello"),
        ] {
            assert_eq!(owner(path), Some(plugin), "{path}");
        }
        for path in ["/", "/daox", "/api/historic", "/hooks/other", "/x/", "/nothing"] {
            assert_eq!(owner(path), None, "{path}");
        }
    }
}
