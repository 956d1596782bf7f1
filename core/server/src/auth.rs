//! Who may write: bearer tokens, compared in constant time and before any body is read.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::ServerError;
use crate::config::{AuthSection, NamedToken};
use crate::http::{Problem, Refused};

/// The tokens in force, replaced as a whole by a reload.
#[derive(Debug)]
pub(crate) struct Auth {
    tokens: RwLock<Arc<[Token]>>,
}

/// Tokens that were read and wait to be put in force.
#[derive(Debug)]
pub(crate) struct Prepared(Arc<[Token]>);

/// A token that was presented and is in force.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The token's name, the default source of its events.
    pub(crate) name: Arc<str>,
    sources: Arc<[Glob]>,
}

#[derive(Clone)]
struct Token {
    caller: Caller,
    secret: Arc<[u8]>,
    /// Set when a reload replaced the token: from then on it is not in force.
    until: Option<Instant>,
}

/// A pattern of sources in which `*` stands for any characters.
#[derive(Clone, Debug)]
struct Glob(Box<str>);

impl Auth {
    /// Reads the tokens of `section`, those in files included.
    pub(crate) fn new(section: &AuthSection) -> Result<Self, ServerError> {
        Ok(Self { tokens: RwLock::new(load(section)?.into()) })
    }

    /// Reads the tokens of `section` for [`Auth::put`]; those that vanish stay for `auth.rotation_grace`.
    pub(crate) fn prepare(
        &self,
        section: &AuthSection,
        now: Instant,
    ) -> Result<Prepared, ServerError> {
        let mut tokens = load(section)?;
        let grace = Duration::from_secs(section.rotation_grace);
        for old in self.tokens().iter() {
            let until = old.until.unwrap_or(now + grace);
            if until > now && !tokens.iter().any(|token| token.secret == old.secret) {
                tokens.push(Token { until: Some(until), ..old.clone() });
            }
        }
        Ok(Prepared(tokens.into()))
    }

    /// Puts tokens in force.
    pub(crate) fn put(&self, prepared: Prepared) {
        *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = prepared.0;
    }

    /// Who sent a request with these headers; 401 when nobody known did.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refused> {
        self.caller_by(headers.get(AUTHORIZATION).map(HeaderValue::as_bytes))
    }

    /// Likewise for the value of `Authorization`.
    pub(crate) fn caller_by(&self, authorization: Option<&[u8]>) -> Result<Caller, Refused> {
        let presented = authorization.and_then(bearer).ok_or_else(|| {
            Problem::unauthorized("send the token as Authorization: Bearer TOKEN")
        })?;
        let mut found = None;
        // Every token is compared, so that the time tells nothing about which one was close.
        for token in self.tokens().iter() {
            let in_force = token.until.is_none_or(|until| until > Instant::now());
            if constant_time_eq(&token.secret, presented) && in_force {
                found = Some(token.caller.clone());
            }
        }
        found.ok_or_else(|| Problem::unauthorized("the token is not valid"))
    }

    /// Likewise for what changes the node itself: a token bound to some sources is 403.
    pub(crate) fn operator(&self, headers: &HeaderMap) -> Result<Caller, Refused> {
        self.operator_by(headers.get(AUTHORIZATION).map(HeaderValue::as_bytes))
    }

    /// Likewise for the value of `Authorization`.
    pub(crate) fn operator_by(&self, authorization: Option<&[u8]>) -> Result<Caller, Refused> {
        let caller = self.caller_by(authorization)?;
        if caller.sources.is_empty() || caller.sources.iter().any(|glob| &*glob.0 == "*") {
            return Ok(caller);
        }
        Err(Problem::new(StatusCode::FORBIDDEN, "this token may only post events of its sources"))
    }

    fn tokens(&self) -> Arc<[Token]> {
        self.tokens.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Caller {
    /// Whether its events may carry `source`: one of its patterns, or its own name.
    pub(crate) fn may_use(&self, source: &str) -> bool {
        self.sources.is_empty()
            || source == &*self.name
            || self.sources.iter().any(|glob| glob.matches(source))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl Glob {
    fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
            return false;
        };
        let mut middle: Vec<&str> = parts.collect();
        let Some(last) = middle.pop() else { return rest.is_empty() };
        // Leftmost matches leave the most for what follows, so no other choice can do better.
        for part in middle {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

fn load(section: &AuthSection) -> Result<Vec<Token>, ServerError> {
    let named = section.read_tokens().map_err(ServerError::Configuration)?;
    if named.is_empty() {
        return Err(ServerError::NoToken);
    }
    let token = |named: NamedToken| Token {
        caller: Caller {
            name: named.name.into(),
            sources: named.sources.into_iter().map(|glob| Glob(glob.into())).collect(),
        },
        secret: named.token.reveal().as_bytes().into(),
        until: None,
    };
    Ok(named.into_iter().map(token).collect())
}

fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Compares without telling by time where the two differ; only the length of `presented` shows.
fn constant_time_eq(secret: &[u8], presented: &[u8]) -> bool {
    if secret.is_empty() {
        return false;
    }
    let mut different = u8::from(secret.len() != presented.len());
    for (i, byte) in presented.iter().enumerate() {
        different |= byte ^ secret[i % secret.len()];
    }
    std::hint::black_box(different) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Secret, TokenTable};

    impl Auth {
        fn reload(&self, section: &AuthSection, now: Instant) -> Result<(), ServerError> {
            self.prepare(section, now).map(|prepared| self.put(prepared))
        }
    }

    fn section(token: &str) -> AuthSection {
        AuthSection { token: Secret::new(token), rotation_grace: 60, ..AuthSection::default() }
    }

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn only_the_whole_token_is_taken() {
        let auth = Auth::new(&section("secret")).unwrap();
        for good in ["Bearer secret", "bearer secret", "BEARER  secret"] {
            assert_eq!(&*auth.caller(&headers(good)).unwrap().name, "default", "{good}");
        }
        for bad in [
            "Bearer",
            "Bearer ",
            "Bearer secre",
            "Bearer secrets",
            "Bearer secretsecret",
            "Basic secret",
            "secret",
        ] {
            assert_eq!(auth.caller(&headers(bad)).unwrap_err().status(), 401, "{bad}");
        }
        assert_eq!(auth.caller(&HeaderMap::new()).unwrap_err().status(), 401);
    }

    #[test]
    fn no_token_at_all_is_an_error() {
        assert!(matches!(Auth::new(&AuthSection::default()), Err(ServerError::NoToken)));
    }

    #[test]
    fn a_named_token_is_bound_to_its_sources() {
        let mut section = section("main");
        section.tokens.push(TokenTable {
            name: "sensor".into(),
            token: Secret::new("other"),
            sources: vec!["a-*".into(), "lab.*.x".into()],
            ..TokenTable::default()
        });
        let auth = Auth::new(&section).unwrap();
        let sensor = auth.caller(&headers("Bearer other")).unwrap();
        for good in ["sensor", "a-", "a-1", "lab.1.x", "lab.1.2.x"] {
            assert!(sensor.may_use(good), "{good}");
        }
        for bad in ["a", "b-1", "lab.x", "xa-1", ""] {
            assert!(!sensor.may_use(bad), "{bad}");
        }
        assert!(auth.caller(&headers("Bearer main")).unwrap().may_use("anything"));
        assert_eq!(auth.operator(&headers("Bearer other")).unwrap_err().status(), 403);
        assert!(auth.operator(&headers("Bearer main")).is_ok());
    }

    #[test]
    fn a_replaced_token_stays_for_the_grace_and_no_longer() {
        let auth = Auth::new(&section("old")).unwrap();
        let now = Instant::now();
        auth.reload(&section("new"), now).unwrap();
        assert!(auth.caller(&headers("Bearer old")).is_ok());
        assert!(auth.caller(&headers("Bearer new")).is_ok());
        // A second reload after the grace forgets it; one without grace ends it at once.
        auth.reload(&section("new"), now + Duration::from_secs(61)).unwrap();
        assert!(auth.caller(&headers("Bearer old")).is_err());
        let at_once = AuthSection { rotation_grace: 0, ..section("newer") };
        auth.reload(&at_once, Instant::now()).unwrap();
        assert!(auth.caller(&headers("Bearer new")).is_err());
    }

    #[test]
    fn a_file_gives_the_token_and_a_bad_file_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "from-file\n").unwrap();
        let section = AuthSection { token_file: file.clone(), ..AuthSection::default() };
        let auth = Auth::new(&section).unwrap();
        std::fs::write(&file, " \n").unwrap();
        assert!(matches!(
            auth.reload(&section, Instant::now()),
            Err(ServerError::Configuration(_))
        ));
        assert!(auth.caller(&headers("Bearer from-file")).is_ok());
    }
}
