//! The routes: what is asked, and what people do.
//!
//! The rule: an answer is what holds at this moment; a wish that cannot be granted says which field and why.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::json;
use shimmer_alerts::{
    AlertView, Change, Filter, Silence, SilenceId, SilenceRefused, Time, WishRefused,
};
use shimmer_sdk::{Error, Request, Response, Route};

use crate::plugin::Anomaly;
use crate::tell::TOPIC;

/// Who took note where nobody is named.
const SOMEBODY: &str = "operator";

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/api/alerts").openapi(
        r#"{"summary":"Alerts, the newest first, and how many there are in each state","tags":["alerts"],
        "parameters":[
        {"name":"state","in":"query","schema":{"enum":["pending","firing","silenced","inhibited","resolved"]}},
        {"name":"severity","in":"query","schema":{"enum":["info","warning","critical"]}},
        {"name":"kind","in":"query","schema":{"type":"string"}},
        {"name":"subject","in":"query","schema":{"type":"string"}},
        {"name":"limit","in":"query","schema":{"type":"integer"},"description":"So many at most"}],
        "responses":{"200":{"description":"`alerts`, `counts`, and `truncated`: older ones did not fit into 7 MiB or `limit`"},"400":{"description":"A filter is wrong"}}}"#,
    ),
    Route::sse("/api/alerts/sse", TOPIC).openapi(
        r#"{"summary":"Changes of alerts: events `firing`, `silenced`, `resolved`; data is the alert",
        "tags":["alerts"],"responses":{"200":{"description":"Server-sent events"}}}"#,
    ),
    Route::get("/api/alerts/{id}").openapi(
        r#"{"summary":"One alert","tags":["alerts"],
        "responses":{"200":{"description":"The alert"},"404":{"description":"There is none of this id"}}}"#,
    ),
    Route::post("/api/alerts/{id}/ack").openapi(
        r#"{"summary":"Take note of an alert: it is not repeated any more","tags":["alerts"],
        "requestBody":{"content":{"application/json":{"schema":{"type":"object","properties":{
        "by":{"type":"string","maxLength":512}}}}}},
        "responses":{"200":{"description":"The alert"},"404":{"description":"There is none of this id"},
        "409":{"description":"It is resolved"}}}"#,
    ),
    Route::post("/api/alerts/{id}/resolve").openapi(
        r#"{"summary":"End an alert; its condition starts no new one for an hour","tags":["alerts"],
        "requestBody":{"content":{"application/json":{"schema":{"type":"object","properties":{
        "by":{"type":"string","maxLength":512}}}}}},
        "responses":{"200":{"description":"The alert"},"404":{"description":"There is none of this id"},
        "409":{"description":"It is resolved, or the heartbeat"}}}"#,
    ),
    Route::get("/api/silences").openapi(
        r#"{"summary":"Silences that mute or will","tags":["alerts"],
        "responses":{"200":{"description":"`silences`, and `truncated`: newer ones did not fit into 7 MiB"}}}"#,
    ),
    Route::post("/api/silences").openapi(
        r#"{"summary":"Mute alerts for a while; with the id of a silence, change that one","tags":["alerts"],
        "requestBody":{"content":{"application/json":{"schema":{"type":"object",
        "required":["matchers","author","ends_at"],"properties":{"id":{"type":"string"},
        "matchers":{"type":"array","items":{"type":"object","required":["name","op","value"],"properties":{
        "name":{"type":"string"},"op":{"enum":["=","!=","=~","!~"]},"value":{"type":"string"}}}},
        "author":{"type":"string"},"comment":{"type":"string"},
        "starts_at":{"type":"string","format":"date-time"},"ends_at":{"type":"string","format":"date-time"}}}}}},
        "responses":{"201":{"description":"The silence"},"400":{"description":"A field is wrong"},
        "404":{"description":"There is no silence of this id"},"409":{"description":"There are too many, or too large ones"}}}"#,
    ),
    Route::delete("/api/silences/{id}").openapi(
        r#"{"summary":"End a silence","tags":["alerts"],
        "responses":{"204":{"description":"It is over"},"404":{"description":"There is none of this id"}}}"#,
    ),
    Route::get("/api/correlations").openapi(
        r#"{"summary":"Alerts that began together, and which may be the cause","tags":["alerts"],
        "responses":{"200":{"description":"`correlations`"}}}"#,
    ),
];

/// What may stand in the body of an ack or a resolve.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct By {
    by: Option<String>,
}

impl Anomaly {
    pub(crate) fn answer(&mut self, request: &Request<'_>, now: Time) -> Result<Response, Error> {
        let id = request.param("id");
        Ok(match request.route() {
            ("GET", "/api/alerts") => self.list(request),
            ("GET", "/api/alerts/sse") => Response::empty(),
            ("GET", "/api/alerts/{id}") => alert(self.manager.alert_of(id)),
            ("GET", "/api/silences") => {
                let mut list = self.manager.silences();
                list.truncated = Response::cut(&mut list.silences);
                Response::json(&list)
            }
            ("GET", "/api/correlations") => Response::json(&self.manager.correlations()),
            ("POST", "/api/alerts/{id}/ack") => {
                let by = by(request)?;
                let acked = self.manager.ack(now, id, &by);
                self.changed(id, acked, &format!("acknowledged by {by}"))
            }
            ("POST", "/api/alerts/{id}/resolve") => {
                let by = by(request)?;
                let resolved = self.manager.resolve_by_hand(now, id);
                self.changed(id, resolved, &format!("resolved by {by}"))
            }
            ("POST", "/api/silences") => match self.manager.silence(now, request.json()?) {
                Ok((silence, changes)) => {
                    self.outbox.extend(changes);
                    let Silence { id, author, ends_at, .. } = &silence;
                    self.host.info(&format!("silence {id} until {ends_at}, by {author}"));
                    Response::json(&silence).status(201)
                }
                Err(refused) => unsilenced(refused),
            },
            ("DELETE", "/api/silences/{id}") => match self.unsilence(now, id) {
                Ok(()) => Response::empty().status(204),
                Err(refused) => unsilenced(refused),
            },
            _ => missing(request.path()),
        })
    }

    fn list(&self, request: &Request<'_>) -> Response {
        let names = ["state", "severity", "kind", "subject", "limit"];
        let given: Vec<(&str, Cow<'_, str>)> =
            names.into_iter().filter_map(|name| Some((name, request.query(name)?))).collect();
        let pairs = given.iter().map(|(name, value)| (*name, value.as_ref()));
        match Filter::from_query(pairs.filter(|(_, value)| !value.is_empty())) {
            Ok(filter) => {
                let mut list = self.manager.alerts(&filter);
                list.truncated |= Response::cut(&mut list.alerts);
                Response::json(&list)
            }
            Err((field, message)) => invalid(&field, &message),
        }
    }

    fn changed(
        &mut self,
        id: &str,
        outcome: Result<Vec<Change>, WishRefused>,
        done: &str,
    ) -> Response {
        match outcome {
            Ok(changes) => {
                self.outbox.extend(changes);
                self.host.info(&format!("alert {id}: {done}"));
                alert(self.manager.alert_of(id))
            }
            Err(why @ WishRefused::Unknown) => missing(&why.to_string()),
            Err(why @ WishRefused::Name) => invalid("by", &why.to_string()),
            Err(why) => Response::problem(409, "Conflict", &why.to_string()),
        }
    }

    fn unsilence(&mut self, now: Time, id: &str) -> Result<(), SilenceRefused> {
        let id: SilenceId = id.parse().map_err(|_| SilenceRefused::Unknown)?;
        self.outbox.extend(self.manager.unsilence(now, id)?);
        self.host.info(&format!("silence {id}: ended"));
        Ok(())
    }
}

fn by(request: &Request<'_>) -> Result<String, Error> {
    let By { by } = if request.body().is_empty() { By::default() } else { request.json()? };
    Ok(by.unwrap_or_else(|| SOMEBODY.to_owned()))
}

fn alert(found: Option<AlertView>) -> Response {
    found.map_or_else(|| missing("there is no such alert"), |alert| Response::json(&alert))
}

fn unsilenced(refused: SilenceRefused) -> Response {
    match refused {
        SilenceRefused::Invalid { field, message } => invalid(field, &message),
        why @ SilenceRefused::Unknown => missing(&why.to_string()),
        why @ (SilenceRefused::Full(_) | SilenceRefused::Heavy(_)) => {
            Response::problem(409, "Conflict", &why.to_string())
        }
    }
}

fn missing(detail: &str) -> Response {
    Response::problem(404, "Not found", detail)
}

fn invalid(field: &str, message: &str) -> Response {
    let body = json!({
        "status": 400,
        "title": "Bad request",
        "detail": format!("{field}: {message}"),
        "errors": [{ "field": field, "message": message }],
    });
    Response::new("application/problem+json", body.to_string()).status(400)
}
