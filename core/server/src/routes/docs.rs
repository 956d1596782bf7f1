//! `/openapi.json` and `/docs/`: the description of every route, and a page that shows it offline.

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};
use salvo_oapi::swagger_ui::{self, Config, SwaggerFile};
use serde_json::{Map, Value, json};

use super::page::Ask;
use crate::http::{Answer, Problem, Refused};
use crate::listener::policy;
use crate::plugins::{PluginRoute, RouteAuth, RouteKind, RouteSpec};

/// The core's routes; plugins' are merged in when it is asked for.
const TEMPLATE: &str = include_str!("../../assets/openapi.json");

/// What the page may do. Its one script of its own is known by its hash; it styles its elements one by one.
const RULES: &str = "default-src 'none'; script-src 'self' \
    'sha256-MG1L1kfQW3wZJCNnoQoFhMdg8VPIkVkQNvcv906kV5Y='; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; ";

/// `GET /docs/` and what lies below it.
pub(crate) fn page(ask: &Ask<'_>) -> Result<Answer, Refused> {
    if ask.name.is_empty() && !ask.path.ends_with('/') {
        // What the page loads stands beside it.
        let mut answer = Answer::new(StatusCode::PERMANENT_REDIRECT, "text/plain", "");
        answer.headers.insert(LOCATION, HeaderValue::from_static("docs/"));
        return Ok(answer);
    }
    let config = Config::from("/openapi.json");
    let file = swagger_ui::serve(ask.name, "Shimmer API", "", "", &config).map_err(|error| {
        tracing::error!(%error, "the description's page cannot be made");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be made")
    })?;
    let Some(SwaggerFile { bytes, content_type, .. }) = file else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "nothing is served under this path"));
    };
    let mut answer = Answer::ok("text/html", bytes.into_owned());
    if let Ok(content_type) = HeaderValue::from_str(&content_type) {
        answer.headers.insert(CONTENT_TYPE, content_type);
    }
    Ok(answer.header(CONTENT_SECURITY_POLICY, policy(RULES, &ask.app.config().server)))
}

/// `GET /openapi.json`.
pub(crate) fn openapi(ask: &Ask<'_>) -> Result<Answer, Refused> {
    let mut document: Value = serde_json::from_str(TEMPLATE).map_err(|error| {
        tracing::error!(%error, "the embedded API description is not JSON");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the API description is damaged")
    })?;
    document["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    if let Some(paths) = document["paths"].as_object_mut() {
        for PluginRoute { plugin, spec, .. } in ask.app.plugins.host().routes().iter() {
            merge(paths, plugin, spec);
        }
    }
    Ok(Answer::value(&document).header(CACHE_CONTROL, HeaderValue::from_static("no-cache")))
}

fn merge(paths: &mut Map<String, Value>, plugin: &str, route: &RouteSpec) {
    let path = paths.entry(route.pattern.clone()).or_insert_with(|| json!({}));
    let method = route.method.to_ascii_lowercase();
    if path.get(&method).is_none() {
        path[method.as_str()] = operation(plugin, route);
    }
}

/// The plugin's own operation, completed by what the host knows for certain.
fn operation(plugin: &str, route: &RouteSpec) -> Value {
    let mut operation = match serde_json::from_str(&route.openapi_json) {
        Ok(Value::Object(own)) => Value::Object(own),
        _ => json!({ "summary": format!("{} {}", route.method, route.pattern) }),
    };
    if operation.get("tags").is_none() {
        operation["tags"] = json!([plugin]);
    }
    if operation.get("responses").is_none() {
        let description = match route.kind {
            RouteKind::Http => "The plugin's answer",
            RouteKind::Ws => "WebSocket of the plugin's messages",
            RouteKind::Sse => "Server-Sent Events of the plugin's messages",
        };
        operation["responses"] = json!({ "default": { "description": description } });
    }
    if operation.get("parameters").is_none() {
        let parameters: Vec<Value> = parameters(&route.pattern)
            .map(|name| {
                json!({
                    "name": name, "in": "path", "required": true, "schema": { "type": "string" },
                })
            })
            .collect();
        operation["parameters"] = json!(parameters);
    }
    if route.auth == RouteAuth::Token {
        operation["security"] = json!([{ "token": [] }]);
    }
    operation
}

fn parameters(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(openapi_json: &str) -> RouteSpec {
        RouteSpec {
            method: "POST".into(),
            pattern: "/x/hello/{id}".into(),
            auth: RouteAuth::Token,
            kind: RouteKind::Http,
            topic: String::new(),
            openapi_json: openapi_json.into(),
        }
    }

    #[test]
    fn the_template_is_openapi_and_each_operation_has_answers() {
        let document: Value = serde_json::from_str(TEMPLATE).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                assert!(operation["responses"].is_object(), "{method} {path}");
                assert!(operation["summary"].is_string(), "{method} {path}");
                for name in parameters(path) {
                    let known = operation["parameters"].as_array().is_some_and(|parameters| {
                        parameters.iter().any(|p| p["name"] == name || p["$ref"].is_string())
                    });
                    assert!(known, "{method} {path} {name}");
                }
            }
        }
    }

    #[test]
    fn a_plugins_operation_is_completed_and_never_replaces_one() {
        let mut paths = Map::new();
        merge(&mut paths, "hello", &route(r#"{"summary":"own","tags":["t"]}"#));
        let merged = &paths["/x/hello/{id}"]["post"];
        assert_eq!(merged["summary"], "own");
        assert_eq!(merged["tags"], json!(["t"]));
        assert_eq!(merged["parameters"][0]["name"], "id");
        assert_eq!(merged["security"], json!([{ "token": [] }]));
        assert!(merged["responses"]["default"].is_object());
        merge(&mut paths, "hello", &route("not json"));
        assert_eq!(paths["/x/hello/{id}"]["post"]["summary"], "own");
    }
}
