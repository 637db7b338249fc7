//! Where a response sends its request, and what of it may go there.

use fluent_uri::{Uri, UriRef};
use surety_core::capability::Method;
use surety_core::effect::{Request, Response, Unsent, UnsentKind, placeholders};

/// The request that follows; none where there is none to follow. Whether it may be
/// sent is judged like any other.
pub(crate) fn next(request: &Request, response: &Response) -> Result<Option<Request>, Unsent> {
    let location = response.headers.iter().find(|(name, _)| name == "location");
    let (Some((_, location)), 301..=303 | 307 | 308) = (location, response.status) else {
        return Ok(None);
    };
    let nowhere = |why: &str| {
        let from = request.place();
        Unsent::new(UnsentKind::Redirect, format!("{from} redirects to where nothing goes: {why}"))
    };
    let location = std::str::from_utf8(location).map_err(|_| nowhere("it is no URL"))?;
    let location = UriRef::parse(location).map_err(|_| nowhere("it is no URL"))?;
    // Without the query, which no reference is seen from.
    let base = Uri::parse(request.place()).map_err(|_| nowhere("it comes from no URL"))?;
    let to = location.resolve_against(&base).map_err(|_| nowhere("it is no URL"))?;
    let tls = match to.scheme().as_str() {
        scheme if scheme.eq_ignore_ascii_case("https") => true,
        scheme if scheme.eq_ignore_ascii_case("http") => false,
        _ => return Err(nowhere("it is neither http nor https")),
    };
    let authority = to.authority().ok_or_else(|| nowhere("it names no host"))?;
    let path = match to.path().as_str() {
        "" => "/",
        path => path,
    };
    let target = match to.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let (method, body) = method(request, response.status);
    let headers = request.headers.clone();
    let mut next = Request::new(method.as_str(), tls, authority.as_str(), &target, headers, body)
        .map_err(|e| nowhere(&e.to_string()))?;
    trim(&mut next, request);
    Ok(Some(next))
}

/// RFC 9110, section 15.4: what a redirect makes of a method.
fn method(request: &Request, status: u16) -> (Method, Vec<u8>) {
    match (status, request.method) {
        (303, method) if method != Method::Head => (Method::Get, Vec::new()),
        (301 | 302, Method::Post) => (Method::Get, Vec::new()),
        (_, method) => (method, request.body.clone()),
    }
}

/// What was meant for one host is not told to another one.
fn trim(next: &mut Request, before: &Request) {
    let same = (next.tls, &next.host, next.port) == (before.tls, &before.host, before.port);
    let bodiless = next.body.is_empty() && !before.body.is_empty();
    next.headers.retain(|(name, value)| {
        let private = matches!(name.as_str(), "authorization" | "cookie")
            || placeholders(value).next().is_some();
        (same || !private) && !(bodiless && name.starts_with("content-"))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(method: &str) -> Request {
        let headers = [
            ("authorization", "a"),
            ("cookie", "b"),
            ("x-key", "{{secret:k}}"),
            ("content-type", "c"),
            ("x-more", "d"),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
        Request::new(method, true, "a.example", "/x/y?q", headers.into(), b"body".to_vec()).unwrap()
    }

    fn to(request: &Request, status: u16, location: &str) -> Result<Option<Request>, Unsent> {
        let headers = vec![("location".to_owned(), location.as_bytes().to_vec())];
        next(request, &Response { status, headers, body: Vec::new() })
    }

    #[test]
    fn a_location_is_seen_from_where_it_comes() {
        let request = from("GET");
        for (location, place, target) in [
            ("/z", "https://a.example/z", "/z"),
            ("z?p=1#f", "https://a.example/x/z", "/x/z?p=1"),
            ("../../z", "https://a.example/z", "/z"),
            ("?p", "https://a.example/x/y", "/x/y?p"),
            ("//b.example", "https://b.example/", "/"),
            ("HTTP://B.example:8080/z", "http://b.example:8080/z", "/z"),
            ("https://[::ffff:7f00:1]/", "https://127.0.0.1/", "/"),
        ] {
            let next = to(&request, 302, location).unwrap().unwrap();
            assert_eq!((next.place().as_str(), next.target.as_str()), (place, target));
        }
        for bad in [
            "ftp://a.example/",
            "file:///etc/passwd",
            "https://user@b.example/",
            "https://127.1/",
            "https://0x7f000001/",
            "https://b.example./",
            "https://b%2eexample/",
            "https:///x",
            "https://b.example:99999/",
            "data:,x",
            "https://bücher.example/",
            "/a b",
            "http://[::1",
        ] {
            let refused = to(&request, 302, bad).unwrap_err();
            assert_eq!(refused.kind, UnsentKind::Redirect, "{bad}");
        }
        assert_eq!(to(&request, 200, "/z"), Ok(None));
        assert_eq!(to(&request, 304, "/z"), Ok(None));
    }

    #[test]
    fn methods_change_as_the_standard_says() {
        for (method, status, becomes, body) in [
            ("POST", 301, Method::Get, false),
            ("POST", 302, Method::Get, false),
            ("PUT", 302, Method::Put, true),
            ("POST", 303, Method::Get, false),
            ("DELETE", 303, Method::Get, false),
            ("HEAD", 303, Method::Head, true),
            ("POST", 307, Method::Post, true),
            ("POST", 308, Method::Post, true),
        ] {
            let next = to(&from(method), status, "/z").unwrap().unwrap();
            assert_eq!((next.method, !next.body.is_empty()), (becomes, body), "{method} {status}");
            let typed = next.headers.iter().any(|(name, _)| name == "content-type");
            assert_eq!(typed, body, "{method} {status}");
        }
    }

    #[test]
    fn another_host_is_told_nothing_private() {
        for elsewhere in ["https://b.example/", "http://a.example/", "https://a.example:444/"] {
            let next = to(&from("GET"), 307, elsewhere).unwrap().unwrap();
            let names: Vec<_> = next.headers.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["content-type", "x-more"], "{elsewhere}");
        }
        assert_eq!(to(&from("GET"), 307, "/z").unwrap().unwrap().headers.len(), 5);
    }
}
