//! The routes of the DAO.
//!
//! The rule: an answer is made of the state after everything that is due, and a change is in the log before it is
//! answered. What is refused says which rule it broke, by the status that SHAPES promise: 404, 400, 403, 409.

use serde::{Deserialize, Serialize};
use serde_json::json;
use shimmer_governor::{
    Bytes, Command, Data, Entry, MemberKey, MemberPut, Name, Refusal, Spec, Stake, Time, Vote,
    WeightSet,
};
use shimmer_sdk::{Error, Request, Response, Route};

use crate::plugin::{Dao, Office, because, status};
use crate::role::{Role, VOTE_KIND};

/// Entries of the log in an answer, unless it is asked for fewer.
const MAX_ENTRIES: usize = 1_000;
/// Bytes of the log in an answer, which the host bounds at 8 MiB.
const MAX_BYTES: u64 = 6 << 20;
const NDJSON: &str = "application/x-ndjson";

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/dao/members").openapi(
        r#"{"summary":"Who may vote, and who might once","tags":["dao"],
        "responses":{"200":{"description":"`members`, each with key, name, stake, joined and revoked"}}}"#,
    ),
    Route::put("/dao/members/{key}").openapi(
        r#"{"summary":"Add or change a member","tags":["dao"],
        "description":"`key` is an Ed25519 public key, 64 lower-case hex digits. Votes that are open keep the stakes of their start.",
        "requestBody":{"required":true,"content":{"application/json":{"example":{"name":"Ada","stake":100}}}},
        "responses":{"200":{"description":"The member"},"400":{"description":"The key is none, or the body is not name and stake"}}}"#,
    ),
    Route::delete("/dao/members/{key}").openapi(
        r#"{"summary":"Revoke a member","tags":["dao"],
        "responses":{"200":{"description":"The member"},"404":{"description":"No such member"},"409":{"description":"Revoked already"}}}"#,
    ),
    Route::get("/dao/sources").openapi(
        r#"{"summary":"Sources of beauty and how much each counts","tags":["dao"],
        "parameters":[{"name":"limit","in":"query","schema":{"type":"integer"},"description":"So many at most"}],
        "responses":{"200":{"description":"`sources`, each with id, weight, share (of all shares, capped), avg and events, and `truncated`: some did not fit into 7 MiB or `limit`"},
        "400":{"description":"The limit is no number"}}}"#,
    ),
    Route::get("/dao/proposals").openapi(
        r#"{"summary":"All proposals","tags":["dao"],"responses":{"200":{"description":"`proposals`, oldest first"}}}"#,
    ),
    Route::post("/dao/proposals").openapi(
        r#"{"summary":"Propose a weight for a source","tags":["dao"],
        "requestBody":{"required":true,"content":{"application/json":{"example":{"title":"Trust the north sensor less",
        "source":"north","options":[0.25],"strategy":"stake","delay_s":60,"period_s":86400,"quorum":0.2,"timelock_s":3600,
        "extension_s":3600,"grace_s":86400}}}},
        "responses":{"201":{"description":"The proposal"},"400":{"description":"Not a proposal"},"409":{"description":"Too many are open"}}}"#,
    ),
    Route::get("/dao/proposals/{id}").openapi(
        r#"{"summary":"A proposal, its state and its tallies","tags":["dao"],
        "responses":{"200":{"description":"The proposal"},"404":{"description":"No such proposal"}}}"#,
    ),
    Route::post("/dao/proposals/{id}/votes").openapi(
        r#"{"summary":"Vote","tags":["dao"],
        "description":"Signed by the voter, over the line `shimmer-dao-vote-v1`, LF, and the RFC 8785 form of the body without `signature`.",
        "responses":{"200":{"description":"`power` of the vote"},
        "202":{"description":"`power`, and `forwarded`: this node handed the vote on to the writer"},"403":{"description":"Signature, DAO, proposal or voter do not fit"},
        "409":{"description":"Not open, or voted already"}}}"#,
    ),
    Route::post("/dao/proposals/{id}/queue").openapi(
        r#"{"summary":"Queue a proposal that succeeded","tags":["dao"],
        "responses":{"200":{"description":"The proposal"},"409":{"description":"It did not succeed"}}}"#,
    ),
    Route::post("/dao/proposals/{id}/execute").openapi(
        r#"{"summary":"Execute a queued proposal","tags":["dao"],
        "responses":{"200":{"description":"The proposal"},"409":{"description":"Not queued, or its timelock has not passed"}}}"#,
    ),
    Route::post("/dao/proposals/{id}/cancel").openapi(
        r#"{"summary":"Call a proposal off","tags":["dao"],
        "responses":{"200":{"description":"The proposal"},"409":{"description":"It is decided already"}}}"#,
    ),
    Route::get("/dao/weights").openapi(
        r#"{"summary":"The weights that hold","tags":["dao"],
        "responses":{"200":{"description":"`version`, `effective_at`, `weights` by source, their `hash`, and `weighted_avg` once there is one"}}}"#,
    ),
    Route::get("/dao/audit").openapi(
        r#"{"summary":"The log: every decision, chained by hashes","tags":["dao"],
        "description":"As application/x-ndjson the log as it is verified by `shimmer dao verify`.",
        "parameters":[{"name":"since","in":"query","schema":{"type":"integer"},"description":"First entry, from 0"},
        {"name":"limit","in":"query","schema":{"type":"integer"}}],
        "responses":{"200":{"description":"`entries`, `count` of all entries, `head`: the hash of the last of all"}}}"#,
    ),
    Route::get("/dao/federation").openapi(
        r#"{"summary":"Who writes the log, and how far this node has it","tags":["dao"],
        "responses":{"200":{"description":"`role` (alone, writer, follower), `writer`, `log_bytes`, `sent_bytes`, `waits`, `fault`"}}}"#,
    ),
    Route::post("/dao/clock").openapi(
        r#"{"summary":"Set a manual clock","tags":["dao"],"description":"With clock = \"manual\" only.",
        "requestBody":{"required":true,"content":{"application/json":{"example":{"now":"2030-01-01T00:00:00Z"}}}},
        "responses":{"200":{"description":"`now`"},"404":{"description":"The clock is the system's"},"409":{"description":"Backwards"}}}"#,
    ),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberBody {
    name: Name,
    stake: Stake,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockBody {
    now: Time,
}

/// A body that says nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoBody {}

#[derive(Serialize)]
struct SourceView<'a> {
    id: &'a str,
    weight: f64,
    share: f64,
    avg: f64,
    events: u64,
}

#[derive(Serialize)]
struct SourcesView<'a> {
    sources: Vec<SourceView<'a>>,
    truncated: bool,
}

#[derive(Serialize)]
struct WeightsView<'a> {
    #[serde(flatten)]
    set: &'a WeightSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    weighted_avg: Option<f64>,
}

impl Dao {
    /// Answers a request, after time has passed.
    pub(crate) fn answer(&mut self, request: &Request<'_>) -> Result<Response, Error> {
        let Some(office) = &self.office else {
            return Err(Error::Busy("the DAO is starting".to_owned()));
        };
        let (now, id) = (office.now(), request.param("id"));
        match request.route() {
            ("GET", "/dao/members") => {
                let members: Vec<_> = office.governor.members().collect();
                Ok(Response::json(&json!({ "members": members })))
            }
            ("GET", "/dao/sources") => self.sources(request),
            ("GET", "/dao/proposals") => {
                let proposals: Vec<_> = office.governor.proposals(now).collect();
                Ok(Response::json(&json!({ "proposals": proposals })))
            }
            ("GET", "/dao/proposals/{id}") => Ok(shown(office, id)),
            ("GET", "/dao/weights") => Ok(Response::json(&WeightsView {
                set: office.governor.weights(),
                weighted_avg: self.influence.average(),
            })),
            ("GET", "/dao/audit") => audit(office, request),
            ("GET", "/dao/federation") => Ok(Response::json(&self.role.view(&office.log))),
            ("POST", "/dao/clock") => self.set_clock(request),
            _ => self.change(request),
        }
    }

    fn sources(&self, request: &Request<'_>) -> Result<Response, Error> {
        let limit = number(request, "limit")?.unwrap_or(u64::MAX);
        let known = self.influence.sources();
        let all = known.len();
        let views = known.into_iter().map(|known| SourceView {
            id: known.source,
            weight: known.weight,
            share: known.share,
            avg: known.avg,
            events: known.events,
        });
        let mut sources: Vec<_> =
            views.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
        let truncated = Response::cut(&mut sources) || sources.len() < all;
        Ok(Response::json(&SourcesView { sources, truncated }))
    }

    /// Carries out a command, and shows what it changed. Who follows hands votes on, and changes nothing else.
    fn change(&mut self, request: &Request<'_>) -> Result<Response, Error> {
        let command = command(request)?;
        if let Role::Follower(follower) = &self.role {
            let Command::Vote { proposal, body } = &command else {
                let why = format!(
                    "this node follows the DAO of the writer {}: ask the node that has its key",
                    follower.writer
                );
                return Ok(problem(409, &why));
            };
            return self.forward(proposal, body, &command);
        }
        let Some(office) = &mut self.office else {
            return Err(Error::Busy("the DAO is starting".to_owned()));
        };
        let done = office.submit(&command, &self.meters);
        if matches!(command, Command::Vote { .. }) {
            self.meters.vote(if done.is_ok() { "counted" } else { "refused" });
        }
        Ok(match done {
            Ok(entry) => changed(office, &entry),
            Err(failed) => problem(status(&failed), &because(&failed)),
        })
    }

    /// Hands a vote on to the writer, if by what is known here it will be taken.
    fn forward(&self, id: &str, body: &[u8], command: &Command) -> Result<Response, Error> {
        let Some(office) = &self.office else {
            return Err(Error::Busy("the DAO is starting".to_owned()));
        };
        let power = match office.governor.decide(office.now(), command) {
            Ok(decided) => match &decided.data {
                Data::Vote(_, power) => Some(*power),
                _ => None,
            },
            // What the clock says has happened has not come yet; the writer knows.
            Err(Refusal::Behind) => None,
            Err(refusal) => return Ok(problem(refusal.status(), &refusal.to_string())),
        };
        let vote = Vote::parse(body).map_err(Error::Invalid)?;
        if *vote.ballot.proposal != *id {
            let refusal = Refusal::WrongProposal;
            return Ok(problem(refusal.status(), &refusal.to_string()));
        }
        // Handed in twice it travels once.
        let event_id = vote.signature.to_string();
        self.host.event(VOTE_KIND).id(&event_id).data(&vote).emit()?;
        self.meters.vote("forwarded");
        Ok(Response::json(&json!({ "power": power, "forwarded": true })).status(202))
    }

    fn set_clock(&mut self, request: &Request<'_>) -> Result<Response, Error> {
        let Some(office) = self.office.as_mut().filter(|office| office.set_to.is_some()) else {
            return Ok(problem(
                404,
                "the clock is the system's; clock = \"manual\" lets it be set",
            ));
        };
        let ClockBody { now } = request.json()?;
        if now > Time::MAX {
            return Err(Error::Invalid(format!("now: must be at most {}", Time::MAX)));
        }
        if now < office.now() {
            return Ok(problem(
                409,
                &format!("the clock stands at {} and does not go back", office.now()),
            ));
        }
        office.set_to = Some(now);
        if self.role.decides() {
            office.advance(&self.meters, &self.host);
        }
        Ok(Response::json(&json!({ "now": now })))
    }
}

/// What a writing request asks for.
fn command(request: &Request<'_>) -> Result<Command, Error> {
    let id = || request.param("id").to_owned();
    let said = |key: &str, why: String| Error::Invalid(format!("{key}: {why}"));
    let key = || request.param("key");
    Ok(match request.route() {
        ("PUT", "/dao/members/{key}") => {
            let key = key().parse::<MemberKey>().map_err(|why| said("key", why))?;
            let MemberBody { name, stake } = request.json()?;
            Command::PutMember(MemberPut { key, name, stake })
        }
        ("DELETE", "/dao/members/{key}") => {
            Command::Revoke(key().parse::<Bytes<32>>().map_err(|why| said("key", why))?)
        }
        ("POST", "/dao/proposals") => Command::Propose(request.json::<Spec>()?),
        ("POST", "/dao/proposals/{id}/votes") => {
            Command::Vote { proposal: id(), body: request.body().to_vec() }
        }
        (_, route) => {
            if !request.body().is_empty() {
                let NoBody {} = request.json()?;
            }
            match route {
                "/dao/proposals/{id}/queue" => Command::Queue(id()),
                "/dao/proposals/{id}/execute" => Command::Execute(id()),
                _ => Command::Cancel(id()),
            }
        }
    })
}

/// What an entry changed, as it is shown.
fn changed(office: &Office, entry: &Entry) -> Response {
    let member = |key: &Bytes<32>| {
        let key = MemberKey::try_from(*key).ok();
        let member = key.and_then(|key| office.governor.member(&key));
        member.map_or_else(
            || problem(404, "there is no such member"),
            |member| Response::json(&member),
        )
    };
    match &entry.data {
        Data::Member(put) => member(&put.key.bytes()),
        Data::Revoke(revoked) => member(&revoked.key),
        Data::Proposal(proposed) => shown(office, &proposed.id).status(201),
        Data::Vote(_, power) => Response::json(&json!({ "power": power })),
        Data::Queue(queued) => shown(office, &queued.proposal),
        Data::Execute(executed) => shown(office, &executed.proposal),
        Data::Cancel(canceled) => shown(office, &canceled.proposal),
        Data::Config(_) | Data::Weights(_) => Response::empty(),
    }
}

fn shown(office: &Office, id: &str) -> Response {
    match office.governor.proposal(id, office.now()) {
        Some(proposal) => Response::json(&proposal),
        None => problem(404, "there is no such proposal"),
    }
}

/// A whole number of the query.
fn number(request: &Request<'_>, name: &str) -> Result<Option<u64>, Error> {
    let text = request.query(name).filter(|text| !text.is_empty());
    let read = text.map(|text| text.parse()).transpose();
    read.map_err(|_| Error::Invalid(format!("{name}: must be a whole number")))
}

fn audit(office: &Office, request: &Request<'_>) -> Result<Response, Error> {
    let (since, limit) = (number(request, "since")?, number(request, "limit")?);
    let entries = limit.and_then(|limit| usize::try_from(limit).ok());
    let unread = |error: std::io::Error| Error::Busy(format!("the log cannot be read: {error}"));
    if request.header("accept").is_some_and(|accept| accept.contains(NDJSON)) {
        if since.is_none() && limit.is_none() && office.log.end() > MAX_BYTES {
            return Err(Error::Limit(format!(
                "the log has {} bytes and an answer at most {MAX_BYTES}: ask for parts of it with since and limit",
                office.log.end()
            )));
        }
        let entries = entries.unwrap_or(usize::MAX);
        let lines = office.log.lines(since.unwrap_or(0), entries, MAX_BYTES).map_err(unread)?;
        return Ok(Response::new(NDJSON, lines));
    }
    let entries = entries.unwrap_or(MAX_ENTRIES).min(MAX_ENTRIES);
    let lines = office.log.lines(since.unwrap_or(0), entries, MAX_BYTES).map_err(unread)?;
    let head = office.governor.head();
    let mut body = b"{\"entries\":[".to_vec();
    for (i, line) in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).enumerate()
    {
        body.extend_from_slice(if i > 0 { b"," } else { b"" });
        body.extend_from_slice(line);
    }
    body.extend_from_slice(
        format!("],\"count\":{},\"head\":\"{}\"}}", head.entries, head.hash).as_bytes(),
    );
    Ok(Response::new("application/json", body))
}

fn problem(status: u16, why: &str) -> Response {
    let title = match status {
        400 => "Bad request",
        403 => "Forbidden",
        404 => "Not found",
        409 => "Conflict",
        503 => "Try again later",
        _ => "Internal error",
    };
    let answer = Response::problem(status, title, why);
    if status == 503 { answer.header("retry-after", "1") } else { answer }
}
