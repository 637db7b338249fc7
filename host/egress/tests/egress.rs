//! What goes out and what does not, against real servers.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use support::{Authority, BUDGET, Server, always, get, grant, ok, plain, post, way};
use surety_core::effect::{Budget, Outcome, Request, UnsentKind};
use surety_egress::EgressConfig;

#[track_caller]
fn assert_unsent(outcome: Outcome, kind: UnsentKind, detail: &str) {
    let unsent = outcome.unwrap_err();
    assert_eq!(unsent.kind, kind, "{unsent}");
    assert!(unsent.detail.contains(detail), "{unsent}");
}

#[tokio::test]
async fn a_request_is_sent_as_it_was_made() {
    let server = Server::start(always(
        b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nX-A: 1\r\nX-A: 2\r\nConnection: close\r\nSet-Cookie: c=1\r\n\r\nhi".to_vec(),
    ))
    .await;
    let (way, grant) = (way(EgressConfig::default()), grant(&plain(server.port())));
    let authority = format!("A.example:{}", server.port());
    let request = post(
        &authority,
        &[("X-Own", "v"), ("Content-Length", "99"), ("accept-encoding", "gzip")],
        "body",
    );
    let response = way.send(&grant, request.clone()).await.unwrap();
    assert_eq!((response.status, &*response.body), (201, &b"hi"[..]));
    let names: Vec<_> = response.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-length", "x-a", "x-a", "set-cookie"]);
    let heard = server.heard().remove(0).to_lowercase();
    for line in [
        "post / http/1.1\r\n",
        &format!("host: a.example:{}\r\n", server.port()),
        "x-own: v\r\n",
        "idempotency-key: id-0-0\r\n",
        "accept-encoding: identity\r\n",
        "content-length: 4\r\n",
        "user-agent: surety/",
    ] {
        assert_eq!(heard.matches(line).count(), 1, "{line:?} in {heard}");
    }
    assert!(heard.ends_with("\r\n\r\nbody"));
    // No cookie jar: the next request does not have it.
    way.send(&grant, request).await.unwrap();
    assert!(!server.heard()[1].to_lowercase().contains("cookie"));
}

#[tokio::test]
async fn only_what_is_granted_goes_out() {
    let server = Server::start(always(ok("hi"))).await;
    let port = server.port();
    let way = way(EgressConfig::default());
    way.names.set("c.example", &[&["127.0.0.1"]]);
    let granted = grant(&plain(port));
    let at = |host: &str| format!("{host}:{port}");
    assert_unsent(way.get(&granted, &at("c.example"), "/").await, UnsentKind::Denied, "c.example");
    let other = way.get(&granted, "a.example:81", "/").await;
    assert_unsent(other, UnsentKind::Denied, "port 81");
    let put = Request::new("PUT", false, &at("a.example"), "/", Vec::new(), Vec::new()).unwrap();
    assert_unsent(way.send(&granted, put).await, UnsentKind::Denied, "PUT");
    let tls_only = grant(&plain(port).replace(", plain_http = true", ""));
    assert_unsent(way.get(&tls_only, &at("a.example"), "/").await, UnsentKind::Denied, "TLS");
    assert_eq!(server.heard().len() + way.names.asked.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn no_name_leads_to_a_special_address() {
    let server = Server::start(always(ok("hi"))).await;
    let port = server.port();
    let way = way(EgressConfig::default());
    // The rule names another private address than any here.
    let grant = grant(&plain(port).replace("['127.0.0.1'], plain", "['10.9.8.7'], plain"));
    for address in [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "169.254.170.23",
        "168.63.129.16",
        "192.0.0.192",
        "169.254.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "fe80::1",
        "::ffff:168.63.129.16",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
        "fd00:c1::a9fe:a9fe",
        "fc00::1",
        "ff02::1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",
        "2001:0:7f00:1::1",
        "2001:db8::1",
    ] {
        // Also beside one that is good: all are looked at.
        for answer in [&[address][..], &["1.1.1.1", address]] {
            way.names.set("a.example", &[answer]);
            let outcome = way.get(&grant, &format!("a.example:{port}"), "/").await;
            assert_unsent(outcome, UnsentKind::Address, "a.example has the address");
        }
    }
    // As the URL's own host it is the same.
    let outcome = way.get(&grant, &format!("127.0.0.1:{port}"), "/").await;
    assert_unsent(outcome, UnsentKind::Address, "loopback");
    assert!(server.heard().is_empty());
    way.names.set("a.example", &[&[]]);
    let none = way.get(&grant, &format!("a.example:{port}"), "/").await;
    assert_unsent(none, UnsentKind::Dns, "a.example");
}

#[tokio::test]
async fn a_connection_goes_to_the_address_that_was_checked() {
    let server = Server::start(always(ok("hi"))).await;
    let (way, grant) = (way(EgressConfig::default()), grant(&plain(server.port())));
    let authority = format!("a.example:{}", server.port());
    // Good when it is checked, and another one whenever anybody asks again.
    way.names.set("a.example", &[&["127.0.0.1"], &["127.0.0.2"]]);
    assert_eq!(way.get(&grant, &authority, "/").await.unwrap().body, b"hi");
    assert_eq!(way.names.asked.load(std::sync::atomic::Ordering::SeqCst), 1);
    // The next request is looked up and checked anew.
    assert_unsent(way.get(&grant, &authority, "/").await, UnsentKind::Address, "127.0.0.2");
    assert_eq!(server.heard().len(), 1);
}

fn redirect(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn each_redirect_is_checked_like_the_first() {
    let server = Server::start(Arc::new(|request: &str| {
        let target = request.split(' ').nth(1).unwrap();
        Some(match target.split_once("to=") {
            Some((_, to)) => redirect(to),
            None if target == "/round" => redirect("/round"),
            None => ok("end"),
        })
    }))
    .await;
    let port = server.port();
    let (way, grant) = (way(EgressConfig::default()), grant(&plain(port)));
    way.names.set("c.example", &[&["127.0.0.1"]]);
    let authority = format!("a.example:{port}");
    let follow = async |to: &str| way.get(&grant, &authority, &format!("/?to={to}")).await;

    assert_eq!(follow("/end").await.unwrap().body, b"end");
    assert_eq!(follow(&format!("http://b.example:{port}/")).await.unwrap().body, b"end");
    for (to, kind) in [
        (format!("http://c.example:{port}/"), UnsentKind::Denied),
        ("http://a.example:81/".to_owned(), UnsentKind::Denied),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), UnsentKind::Denied),
        (format!("http://[::1]:{port}/"), UnsentKind::Denied),
        (format!("http://127.1:{port}/"), UnsentKind::Redirect),
        (format!("http://2130706433:{port}/"), UnsentKind::Redirect),
        (format!("http://0x7f000001:{port}/"), UnsentKind::Redirect),
        (format!("http://user@b.example:{port}/"), UnsentKind::Redirect),
        ("file:///etc/passwd".to_owned(), UnsentKind::Redirect),
    ] {
        assert_unsent(follow(&to).await, kind, "");
    }
    // Granted as a name, and at another address behind the redirect.
    way.names.set("b.example", &[&["10.0.0.1"]]);
    let inside = follow(&format!("http://b.example:{port}/")).await;
    assert_unsent(inside, UnsentKind::Address, "10.0.0.1");

    let before = server.heard().len();
    let round = way.get(&grant, &authority, "/round").await;
    assert_unsent(round, UnsentKind::Redirect, "more than 5 times");
    assert_eq!(server.heard().len() - before, 6);
}

#[tokio::test]
async fn tls_is_verified() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).unwrap();
    let way = way(EgressConfig { ca_file: ca_file.clone(), ..EgressConfig::default() });
    for (issuer, name, good) in [
        (&authority, "a.example", true),
        (&authority, "b.example", false),
        (&stranger, "a.example", false),
    ] {
        let tls = Some(issuer.acceptor(name));
        let server = Server::start_with(always(ok("hi")), tls).await;
        let grant = grant(&plain(server.port()).replace(", plain_http = true", ""));
        let place = format!("a.example:{}", server.port());
        let request = Request::new("GET", true, &place, "/", Vec::new(), Vec::new()).unwrap();
        let outcome = way.send(&grant, request).await;
        match good {
            true => assert_eq!(outcome.unwrap().body, b"hi"),
            false => {
                assert_unsent(outcome, UnsentKind::Tls, "certificate");
                assert!(server.heard().is_empty(), "nothing is said before it is verified");
            }
        }
    }
    std::fs::write(&ca_file, "no certificate").unwrap();
    let config = EgressConfig { ca_file, ..EgressConfig::default() };
    let names = Arc::new(support::Names::default());
    let refused = surety_egress::Gate::open(config, surety_egress::Secrets::default(), names);
    assert!(refused.err().unwrap().to_string().contains("holds no certificate"));
}

#[tokio::test]
async fn responses_are_bounded() {
    let big = |length: usize| {
        let mut answer =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
        answer.resize(answer.len() + length.min(1 << 20), b'x');
        answer
    };
    let endless = |head: &str, filler: &str| {
        let mut answer = head.as_bytes().to_vec();
        answer.extend_from_slice(filler.repeat(200_000).as_bytes());
        answer
    };
    for (answer, kind) in [
        (big(65 << 10), UnsentKind::TooLarge),
        (endless("HTTP/1.1 200 OK\r\n\r\n", "xxxxxxxx"), UnsentKind::TooLarge),
        (
            endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "8\r\nxxxxxxxx\r\n"),
            UnsentKind::TooLarge,
        ),
        (endless("HTTP/1.1 200 OK\r\n", "X-A: aaaaaaaa\r\n"), UnsentKind::Protocol),
        (endless("HTTP/1.1 200 OK\r\nX-A: ", "aaaaaaaa"), UnsentKind::Protocol),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec(), UnsentKind::Protocol),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx".to_vec(),
            UnsentKind::Protocol,
        ),
        (
            b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n".to_vec(),
            UnsentKind::Protocol,
        ),
        (b"SSH-2.0-x\r\n".to_vec(), UnsentKind::Protocol),
        (Vec::new(), UnsentKind::Protocol),
    ] {
        let shown = String::from_utf8_lossy(&answer[..answer.len().min(60)]).into_owned();
        let server = Server::start(always(answer)).await;
        let (way, grant) = (way(EgressConfig::default()), grant(&plain(server.port())));
        let outcome = way.get(&grant, &format!("a.example:{}", server.port()), "/").await;
        let unsent = outcome.expect_err(&shown);
        assert_eq!(unsent.kind, kind, "{shown}: {unsent}");
    }
}

#[tokio::test]
async fn waiting_is_bounded() {
    let silent = Server::start(Arc::new(|_: &str| None)).await;
    let config = EgressConfig { connections_per_module_max: 1, ..EgressConfig::default() };
    let (way, grant) = (way(config), grant(&plain(silent.port())));
    let request = get(&format!("a.example:{}", silent.port()), "/");
    let budget = Budget { ms_max: 200, ..BUDGET };
    let began = Instant::now();
    // The second waits for the first one's place, within its own time.
    let both = [request.clone(), request].map(|request| way.send_within(&grant, request, budget));
    let [one, two] = both;
    let (one, two) = tokio::join!(one, two);
    assert_unsent(one, UnsentKind::Timeout, "200 ms");
    assert_unsent(two, UnsentKind::Timeout, "200 ms");
    assert!(began.elapsed() < Duration::from_secs(2));

    let nobody = way.get(&support::grant(&plain(1)), "a.example:1", "/").await;
    assert_unsent(nobody, UnsentKind::Connect, "does not answer");
}
