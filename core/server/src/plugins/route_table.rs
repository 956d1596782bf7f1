//! Which plugin answers a path: the routes of all plugins, searched by segments.
//!
//! The rule: static segments beat parameters, the leftmost first; a path that only other methods serve
//! is known, not missing.

use http::Method;

use crate::http::query::percent_decode;

/// Routes compiled for matching.
#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    routes: Vec<Compiled>,
}

/// What a path and method come to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Matched {
    /// A route, by its index in the list that the table was made from, and its parameters in the
    /// pattern's order, decoded.
    Route { index: usize, params: Vec<(String, String)> },
    /// The path is served for these methods only.
    Methods(Vec<Method>),
    /// Nobody serves the path.
    Nothing,
}

#[derive(Debug)]
struct Compiled {
    method: Method,
    segments: Vec<Segment>,
}

#[derive(Debug, PartialEq, Eq)]
enum Segment {
    Static(String),
    Parameter(String),
}

impl RouteTable {
    /// Compiles `(method, pattern)` pairs; `{name}` stands for one segment. A method that is none never matches.
    pub(crate) fn new<'a>(routes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let compile = |(method, pattern): (&str, &'a str)| Compiled {
            method: Method::from_bytes(method.as_bytes()).unwrap_or(Method::TRACE),
            segments: pattern.split('/').map(Segment::compile).collect(),
        };
        Self { routes: routes.into_iter().map(compile).collect() }
    }

    /// Finds the route of a request. HEAD is served by GET.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Matched {
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let parts: Option<Vec<String>> =
            path.split('/').map(|part| percent_decode(part.as_bytes())).collect();
        let Some(parts) = parts else { return Matched::Nothing };
        let mut best: Option<(usize, &Compiled)> = None;
        let mut methods = Vec::new();
        let serving = self.routes.iter().enumerate().filter(|(_, route)| route.serves(&parts));
        for (index, route) in serving {
            if route.method != *wanted {
                methods.push(route.method.clone());
            } else if best.is_none_or(|(_, known)| route.is_more_static_than(known)) {
                best = Some((index, route));
            }
        }
        match best {
            Some((index, route)) => Matched::Route { index, params: route.params(parts) },
            None if methods.is_empty() => Matched::Nothing,
            None => Matched::Methods(methods),
        }
    }
}

impl Compiled {
    fn serves(&self, parts: &[String]) -> bool {
        self.segments.len() == parts.len()
            && self.segments.iter().zip(parts).all(|(segment, part)| match segment {
                Segment::Static(text) => text == part,
                Segment::Parameter(_) => !part.is_empty(),
            })
    }

    fn is_more_static_than(&self, other: &Self) -> bool {
        let statics = |route: &Self| -> Vec<bool> {
            route.segments.iter().map(|segment| matches!(segment, Segment::Static(_))).collect()
        };
        statics(self) > statics(other)
    }

    fn params(&self, parts: Vec<String>) -> Vec<(String, String)> {
        let param = |(segment, part): (&Segment, String)| match segment {
            Segment::Static(_) => None,
            Segment::Parameter(name) => Some((name.clone(), part)),
        };
        self.segments.iter().zip(parts).filter_map(param).collect()
    }
}

impl Segment {
    fn compile(text: &str) -> Self {
        match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => Self::Parameter(name.to_owned()),
            None => Self::Static(text.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> RouteTable {
        RouteTable::new([
            ("GET", "/x/a/{id}"),
            ("GET", "/x/a/all"),
            ("POST", "/x/a/{id}"),
            ("GET", "/x/{any}/all"),
            ("DELETE", "/x/b"),
        ])
    }

    fn route(index: usize, params: &[(&str, &str)]) -> Matched {
        let params = params.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Matched::Route { index, params }
    }

    #[test]
    fn static_segments_beat_parameters_from_the_left() {
        let table = table();
        assert_eq!(table.find(&Method::GET, "/x/a/all"), route(1, &[]));
        assert_eq!(table.find(&Method::HEAD, "/x/a/7"), route(0, &[("id", "7")]));
        assert_eq!(table.find(&Method::GET, "/x/c/all"), route(3, &[("any", "c")]));
        assert_eq!(table.find(&Method::POST, "/x/a/all"), route(2, &[("id", "all")]));
    }

    #[test]
    fn parameters_are_decoded_and_never_empty() {
        let table = table();
        assert_eq!(table.find(&Method::GET, "/x/a/a%20%2F"), route(0, &[("id", "a /")]));
        for nobody in ["/x/a/", "/x/a/%ff", "/x/a/%2", "/x/a/1/", "/x", "", "/x/b/"] {
            assert_eq!(table.find(&Method::GET, nobody), Matched::Nothing, "{nobody}");
        }
    }

    #[test]
    fn other_methods_are_told() {
        assert_eq!(table().find(&Method::GET, "/x/b"), Matched::Methods(vec![Method::DELETE]));
    }
}
