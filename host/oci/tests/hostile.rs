//! Registries that lie, and networks around them: what they get out of a client, and
//! how much of it they can use. What registries do when all is well is tested against
//! a real one, in the repository's `tests/registry.rs`.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use sha2::{Digest as _, Sha256};
use surety_oci::{Access, Artifact, Error, Password, Reference, pull, push};

/// How a TLS client begins, which none of these servers understands.
const TLS: u8 = 0x16;

/// A server that answers as a test wants, and keeps what it was asked.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = asked.clone();
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read(&mut stream) else { continue };
                kept.lock().unwrap().push(request.clone());
                // Who has heard enough goes away.
                let _ = stream.write_all(&answer(&request));
            }
        });
        Self { address, asked }
    }

    fn reference(&self, at: &str) -> Reference {
        format!("oci://{}/org/screen{at}", self.address).parse().unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A request's head in lower case; its body is read and forgotten.
fn read(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
        if head[0] == TLS {
            return None;
        }
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().unwrap());
    stream.read_exact(&mut vec![0; length]).ok()?;
    Some(head)
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn manifest(layer: &[u8], size: usize) -> Vec<u8> {
    let digest = digest(layer);
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
        "config":{{"mediaType":"application/vnd.wasm.config.v0+json","digest":"{digest}","size":1}},
        "layers":[{{"mediaType":"application/wasm","digest":"{digest}","size":{size}}}]}}"#
    )
    .into_bytes()
}

/// A registry with one manifest and one blob, whatever is asked for.
fn serving(manifest: Vec<u8>, blob: Vec<u8>) -> Server {
    Server::start(move |request| match request.contains("/manifests/") {
        true => answer("200 OK", "", &manifest),
        false => answer("200 OK", "", &blob),
    })
}

fn ada() -> Access {
    let password = Password::new("ada".to_owned(), "open sesame".to_owned());
    Access { password: Some(password), plain_http: false }
}

fn fails(server: &Server, at: &str, access: &Access) -> Error {
    pull(&server.reference(at), access, 1 << 20).unwrap_err()
}

#[test]
fn what_is_true_is_taken() {
    let server = serving(manifest(b"wasm", 4), b"wasm".to_vec());
    let pinned = digest(&manifest(b"wasm", 4));
    let pulled = pull(&server.reference(&format!(":1@{pinned}")), &ada(), 4).unwrap();
    assert_eq!(pulled.component, b"wasm");
    assert_eq!(pulled.pinned.digest(), Some(pinned.as_str()));
    // Nobody asked who asks, so nobody was told.
    assert!(server.asked().iter().all(|request| !request.contains("authorization")));
}

#[test]
fn another_blob_or_manifest_is_refused() {
    let server = serving(manifest(b"wasm", 4), b"mesa".to_vec());
    let e = fails(&server, ":1", &ada());
    assert!(matches!(&e, Error::Digest { what: "the component", .. }), "{e}");
    assert!(e.to_string().contains(&digest(b"mesa")), "{e}");

    let server = serving(manifest(b"wasm", 4), b"wasm".to_vec());
    let e = fails(&server, &format!("@{}", digest(b"what was reviewed")), &ada());
    assert!(matches!(&e, Error::Digest { what: "the manifest", .. }), "{e}");
    assert_eq!(server.asked().len(), 1, "the blob was not even asked for");
}

#[test]
fn sizes_are_bounded_whatever_is_said_of_them() {
    // It says that it is small, and is not.
    let server = serving(manifest(b"wasm", 4), vec![0; 1 << 20]);
    let e = fails(&server, ":1", &ada());
    assert!(matches!(&e, Error::TooLarge { what: "the component", max: 4, .. }), "{e}");

    // It is too large by its own word: it is not fetched.
    let server = serving(manifest(b"wasm", 2 << 20), b"wasm".to_vec());
    let e = fails(&server, ":1", &ada());
    assert!(matches!(&e, Error::TooLarge { what: "the component", .. }), "{e}");
    assert_eq!(server.asked().len(), 1);

    let server = serving(vec![b' '; (4 << 20) + 1], Vec::new());
    let e = fails(&server, ":1", &ada());
    assert!(matches!(&e, Error::TooLarge { what: "the manifest", .. }), "{e}");
}

#[test]
fn what_is_no_component_is_said_to_be_none() {
    let text = String::from_utf8(manifest(b"wasm", 4)).unwrap();
    let with = |from: &str, to: &str| text.replacen(from, to, 1).into_bytes();
    let cases = [
        (b"<html>".to_vec(), "cannot be read"),
        (with("image.manifest", "image.index"), "its manifest is of the type"),
        (with("wasm.config.v0", "oci.image.config.v1"), "its configuration is of the type"),
        (with("\"application/wasm\"", "\"application/x-tar\""), "its layer is of the type"),
        (with("\"layers\":[", "\"layers\":[],\"more\":["), "it has 0 layers"),
        (
            with(
                "\"layers\":[{\"mediaType\":\"application/wasm\",\"digest\":\"sha256:",
                "\"layers\":[{\"mediaType\":\"application/wasm\",\"digest\":\"../sha256:",
            ),
            "the digest of its layer",
        ),
    ];
    for (manifest, why) in cases {
        let e = fails(&serving(manifest, Vec::new()), ":1", &ada());
        assert!(matches!(&e, Error::NotWasm { why: said, .. } if said.contains(why)), "{why}: {e}");
    }
}

#[test]
fn a_password_goes_where_it_is_asked_for_and_nowhere_else() {
    // The registry's blobs are elsewhere, and elsewhere is told nothing.
    let elsewhere = Server::start(|_| answer("200 OK", "", b"wasm"));
    let location = format!("location: http://{}/blob\r\n", elsewhere.address);
    let server = Server::start(move |request| {
        let basic = request.contains("authorization: basic");
        match (basic, request.contains("/manifests/")) {
            (false, _) => {
                answer("401 Unauthorized", "www-authenticate: Basic realm=\"a\"\r\n", b"")
            }
            (true, true) => answer("200 OK", "", &manifest(b"wasm", 4)),
            (true, false) => answer("307 Temporary Redirect", &location, b""),
        }
    });
    let pulled = pull(&server.reference(":1"), &ada(), 4).unwrap();
    assert_eq!(pulled.component, b"wasm");
    let asked = elsewhere.asked();
    assert!(asked.len() == 1 && !asked[0].contains("authorization"), "{asked:?}");
}

#[test]
fn a_token_is_not_asked_for_over_a_network_in_the_clear() {
    for (realm, plain) in [
        ("http://192.0.2.1/token", true),
        ("ftp://127.0.0.1/token", false),
        ("http://user@/token", false),
        ("token", false),
    ] {
        let header = format!("www-authenticate: Bearer realm=\"{realm}\",service=\"s\"\r\n");
        let server = Server::start(move |_| answer("401 Unauthorized", &header, b""));
        let e = fails(&server, ":1", &ada());
        match plain {
            true => assert!(matches!(&e, Error::Plain { .. }), "{realm}: {e}"),
            false => assert!(matches!(&e, Error::Protocol { .. }), "{realm}: {e}"),
        }
    }
}

#[test]
fn who_gives_out_tokens_cannot_send_the_password_on() {
    let elsewhere = Server::start(|_| answer("200 OK", "", br#"{"token":"t"}"#));
    let location = format!("location: http://{}/token\r\n", elsewhere.address);
    let tokens = Server::start(move |_| answer("307 Temporary Redirect", &location, b""));
    let realm = format!("www-authenticate: Bearer realm=\"http://{}/token\"\r\n", tokens.address);
    let server = Server::start(move |_| answer("401 Unauthorized", &realm, b""));
    let e = fails(&server, ":1", &ada());
    assert!(matches!(&e, Error::Protocol { .. }), "{e}");
    assert!(tokens.asked()[0].contains("authorization: basic"));
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn an_upload_that_goes_on_elsewhere_goes_without_the_password() {
    let elsewhere = Server::start(|_| answer("201 Created", "", b""));
    let location = format!("location: http://{}/upload?state=1\r\n", elsewhere.address);
    let server = Server::start(move |request| {
        if !request.contains("authorization: basic") {
            return answer("401 Unauthorized", "www-authenticate: Basic realm=\"a\"\r\n", b"");
        }
        match request.split(' ').next() {
            Some("head") => answer("404 Not Found", "", b""),
            Some("post") => answer("202 Accepted", &location, b""),
            _ => answer("201 Created", "", b""),
        }
    });
    let artifact = Artifact {
        component: b"wasm",
        name: "screen",
        version: "1.0.0",
        imports: &[],
        exports: &[],
        annotations: BTreeMap::new(),
    };
    push(&server.reference(":1"), &ada(), &artifact).unwrap();
    let asked = elsewhere.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    for request in asked {
        assert!(request.starts_with("put /upload?state=1&digest=sha256:"), "{request}");
        assert!(!request.contains("authorization"), "{request}");
    }
}

#[test]
fn a_registrys_words_are_shown_as_words() {
    let cases = [
        ("403 Forbidden", "does not let \"ada\" fetch"),
        ("404 Not Found", "is not there"),
        ("429 Too Many Requests", "too many requests"),
        ("503 Service Unavailable", "it answers 503"),
        ("418 I'm a teapot", "it answers 418"),
    ];
    for (status, why) in cases {
        let server = Server::start(move |request| {
            if !request.contains("authorization: basic") {
                return answer("401 Unauthorized", "www-authenticate: Basic realm=\"a\"\r\n", b"");
            }
            answer(
                status,
                "",
                b"{\"errors\":[{\"code\":\"DENIED\",\"message\":\"\\u001b[2J no\"}]}",
            )
        });
        let said = fails(&server, ":1", &ada()).to_string();
        assert!(said.contains(why), "{said}");
        assert!(said.contains("DENIED \\u{1b}[2J no"), "{said}");
        assert!(!said.contains('\u{1b}') && !said.contains("open sesame"), "{said}");
    }
}

#[test]
fn who_does_not_answer_cannot_be_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let reference: Reference = format!("oci://{address}/screen:1").parse().unwrap();
    let e = pull(&reference, &ada(), 4).unwrap_err();
    assert!(matches!(&e, Error::Unreachable { .. }), "{e}");
    // What no tag and no digest names is not asked for.
    let e = pull(&"oci://192.0.2.1/screen".parse().unwrap(), &ada(), 4).unwrap_err();
    assert!(matches!(&e, Error::Reference { .. }), "{e}");
}
