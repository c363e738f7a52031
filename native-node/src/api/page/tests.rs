//! The page over real sockets, from a folder of a few files.

use super::super::tests::{LISTEN, Running, exchange, start};
use super::*;
use crate::api::types::{ErrorBody, FaucetPaid, PageView};
use camelid_core::hash::{BlockHash, KeyHash};
use camelid_core::keys::Address;
use camelid_core::units::{COIN, Height, Network};
use flate2::read::GzDecoder;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::Ordering;

const PAGE: &str = "<!doctype html><title>page</title>";

/// The files of a folder and of the folders in it.
fn read(folder: &Path, below: &str) -> Vec<(String, std::borrow::Cow<'static, [u8]>)> {
    let entries = fs::read_dir(folder.join(below)).unwrap().map(|entry| entry.unwrap());
    let file = |entry: fs::DirEntry| {
        let path = format!("{below}{}", entry.file_name().into_string().unwrap());
        match entry.file_type().unwrap().is_dir() {
            true => read(folder, &format!("{path}/")),
            false => vec![(path, fs::read(entry.path()).unwrap().into())],
        }
    };
    entries.flat_map(file).collect()
}

fn page() -> PageFiles {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("secret"), "not the page's").unwrap();
    let page = dir.path().join("page");
    fs::create_dir_all(page.join("assets")).unwrap();
    for (name, content) in [
        ("index.html", PAGE.into()),
        ("service-worker.js", "self.x = 1".into()),
        ("manifest.webmanifest", "{}".into()),
        ("icon.svg", "<svg/>".into()),
        ("icon-180.png", "png".repeat(1000)),
        ("assets/index-Bc3dE9_x.js", "let x = 1;\n".repeat(1000)),
        ("assets/index-Bc3dE9_x.css", "a{}".into()),
        ("assets/light-12345678.wasm", "\0asm".repeat(1000)),
    ] {
        fs::write(page.join(name), content).unwrap();
    }
    PageFiles::new(read(&page, ""))
}

async fn with_page() -> Running {
    start(PageOptions { files: page(), ..PageOptions::default() }).await
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
    headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
}

fn line(body: &str) -> String {
    let text = serde_json::from_str::<ErrorBody>(body).map_or(body.trim_end().to_string(), |body| body.error);
    assert!(!text.contains('\n') && !text.is_empty(), "{text}");
    text
}

#[test]
fn the_policy_is_the_pages_own() {
    let index = include_str!("../../../../www/index.html");
    let own = index.split("content=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    assert_eq!(SECURITY_POLICY, format!("{own}; frame-ancestors 'none'"));
}

#[tokio::test]
async fn files_have_their_types_and_are_kept_as_long_as_they_hold() {
    let api = with_page().await;
    let hashed = "public, max-age=31536000, immutable";
    for (path, kind, cache) in [
        ("/", "text/html; charset=utf-8", "no-cache"),
        ("/index.html", "text/html; charset=utf-8", "no-cache"),
        ("/?x=1", "text/html; charset=utf-8", "no-cache"),
        ("/service-worker.js", "text/javascript; charset=utf-8", "no-cache"),
        ("/manifest.webmanifest", "application/manifest+json", "no-cache"),
        ("/icon.svg", "image/svg+xml", "no-cache"),
        ("/icon-180.png", "image/png", "no-cache"),
        ("/assets/index-Bc3dE9_x.js", "text/javascript; charset=utf-8", hashed),
        ("/assets/index-Bc3dE9_x.css", "text/css; charset=utf-8", hashed),
        ("/assets/light-12345678.wasm", "application/wasm", hashed),
    ] {
        let get = format!("GET {path}");
        let (status, headers, body) = exchange(api.server.address(), &get, &[api.host()], "").await;
        assert_eq!((status, header(&headers, "content-type")), (200, kind), "{path}");
        assert_eq!(header(&headers, "cache-control"), cache, "{path}");
        assert_eq!(header(&headers, "content-security-policy"), SECURITY_POLICY);
        assert_eq!(header(&headers, "x-content-type-options"), "nosniff");
        assert_eq!(header(&headers, "referrer-policy"), "no-referrer");
        assert_eq!(header(&headers, "content-encoding"), "", "nobody asked for it");
        assert!(!body.is_empty());

        let tag = header(&headers, "etag").to_string();
        for given in [tag.clone(), format!("\"x\", {tag}"), tag.replace("W/", ""), "*".into()] {
            let asked = [api.host(), format!("if-none-match: {given}")];
            let (status, headers, body) = exchange(api.server.address(), &get, &asked, "").await;
            assert_eq!((status, body.len(), header(&headers, "etag")), (304, 0, tag.as_str()), "{path} {given}");
            assert_eq!(header(&headers, "cache-control"), cache, "{path}");
        }
        let other = [api.host(), "if-none-match: W/\"00\"".into()];
        assert_eq!(exchange(api.server.address(), &get, &other, "").await.0, 200);
        let head = format!("HEAD {path}");
        let (status, headers, nothing) = exchange(api.server.address(), &head, &[api.host()], "").await;
        assert_eq!((status, nothing.len()), (200, 0));
        assert_eq!(header(&headers, "content-length"), body.len().to_string());
    }
    assert_eq!(api.raw("GET /", &[api.host()], "").await.1, PAGE);
}

#[tokio::test]
async fn what_shrinks_is_sent_compressed() {
    let api = with_page().await;
    let asked = [api.host(), "accept-encoding: br;q=1.0, gzip;q=0.8".into()];
    for (path, shrinks) in [
        ("/assets/index-Bc3dE9_x.js", true),
        ("/assets/light-12345678.wasm", true),
        ("/assets/index-Bc3dE9_x.css", false),
        ("/icon-180.png", false),
    ] {
        let get = format!("GET {path}");
        let (_, _, plain) = exchange(api.server.address(), &get, &[api.host()], "").await;
        let (status, headers, sent) = exchange(api.server.address(), &get, &asked, "").await;
        assert_eq!((status, header(&headers, "vary")), (200, "accept-encoding"));
        assert_eq!(header(&headers, "content-encoding"), if shrinks { "gzip" } else { "" }, "{path}");
        let mut content = Vec::new();
        match shrinks {
            true => GzDecoder::new(&sent[..]).read_to_end(&mut content).map(|_| ()).unwrap(),
            false => content = sent.clone(),
        }
        assert!(content == plain && (sent.len() < plain.len()) == shrinks, "{path}");
    }
}

#[tokio::test]
async fn what_is_no_file_of_the_page_is_not_there() {
    let api = with_page().await;
    for path in [
        "/nothing",
        "/assets",
        "/assets/",
        "//",
        "//index.html",
        "/../secret",
        "/assets/../../secret",
        "/assets/..%2f..%2fsecret",
        "/%2e%2e/secret",
        "/..\\secret",
        "/assets/index-Bc3dE9_x.js/",
        "/etc/passwd",
        "/INDEX.HTML",
    ] {
        let (status, headers, body) = exchange(api.server.address(), &format!("GET {path}"), &[api.host()], "").await;
        assert_eq!(status, 404, "{path}");
        line(&String::from_utf8(body).unwrap());
        assert_eq!(header(&headers, "content-security-policy"), SECURITY_POLICY);
    }
    for request in ["POST /", "PUT /index.html", "DELETE /page.json", "GET /faucet", "POST /page.json"] {
        let (status, body) = api.raw(request, &[api.host()], "").await;
        assert!(status == 405 || status == 400, "{request}: {status}");
        line(&body);
    }
    // What lies below /v1 wants its token as before.
    assert_eq!(api.raw("GET /v1/status", &[api.host()], "").await.0, 401);
    assert!(api.node.asked().is_empty());
}

#[tokio::test]
async fn a_program_without_the_page_says_how_to_get_it() {
    let api = start(PageOptions::default()).await;
    let (status, body) = api.raw("GET /", &[api.host()], "").await;
    let text = line(&body);
    assert!(status == 404 && text.contains("make demo") && text.contains("CAMELID_PAGE"), "{text}");
    assert_eq!(api.raw("GET /page.json", &[api.host()], "").await.0, 200);
}

#[tokio::test]
async fn who_calls_by_a_strange_name_gets_nothing() {
    let page = PageOptions {
        files: page(),
        checkpoints: Checkpoints::new(),
        faucet: Some(Amount(5)),
        address: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        hosts: vec!["camelid.example".into()],
    };
    let api = start(page).await;
    let public = api.server.page_address().unwrap();
    for request in ["GET /", "GET /page.json", "POST /faucet", "GET /assets/index-Bc3dE9_x.js"] {
        for host in ["rebound.example.com", "camelid.example", "10.0.0.5", "0.0.0.0", "127.0.0.1.example.com"] {
            let (status, body) = api.raw(request, &[format!("host: {host}")], "").await;
            assert_eq!(status, 403, "{request} of {host}");
            line(&body);
        }
        for (host, expected) in
            [("rebound.example.com", 403), ("0.0.0.0:80", 403), ("camelid.example:80", 200), ("10.0.0.5", 200)]
        {
            let (status, _, body) = exchange(public, request, &[format!("host: {host}")], "").await;
            let expected = if expected == 200 && request.starts_with("POST") { 400 } else { expected };
            assert_eq!(status, expected, "{request} of {host}: {}", String::from_utf8_lossy(&body));
        }
    }
    // The API is not there at all.
    let bearer = [format!("host: {public}"), "authorization: Bearer x".into()];
    assert_eq!(exchange(public, "GET /v1/status", &bearer, "").await.0, 404);
    api.server.stop().await;
    assert!(tokio::net::TcpStream::connect(public).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn the_page_learns_where_to_dial() {
    let page = PageOptions {
        address: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        checkpoints: [(Height(7), BlockHash([0xab; 32]))].into(),
        ..PageOptions::default()
    };
    let api = start(page).await;
    let (status, headers, body) = exchange(api.server.address(), "GET /page.json", &[api.host()], "").await;
    assert_eq!((status, header(&headers, "content-type")), (200, "application/json"));
    assert_eq!(header(&headers, "cache-control"), "no-cache");
    let view: PageView = serde_json::from_slice(&body).unwrap();
    let checkpoints = vec![format!("7:{}", "ab".repeat(32))];
    assert_eq!(view, PageView { network: "dev".into(), seeds: vec![LISTEN[1].into()], checkpoints, faucet: false });
    let public = api.server.page_address().unwrap();
    let (_, _, body) = exchange(public, "GET /page.json", &["host: 10.0.0.5:80".into()], "").await;
    assert_eq!(serde_json::from_slice::<PageView>(&body).unwrap().seeds, [LISTEN[2]]);
}

fn address(n: u8, network: Network) -> String {
    Address { network, hash: KeyHash([n; 20]) }.to_string()
}

async fn ask(api: &Running, more: &[String], address: &str) -> (u16, String) {
    let headers: Vec<_> = [api.host()].iter().chain(more).cloned().collect();
    api.raw("POST /faucet", &headers, &format!("{{\"address\":\"{address}\"}}")).await
}

#[tokio::test]
async fn the_faucet_pays_once_a_minute_and_says_why_not() {
    let api = start(PageOptions { faucet: Some(Amount(2 * COIN)), ..PageOptions::default() }).await;
    let (_, body) = api.raw("GET /page.json", &[api.host()], "").await;
    assert!(serde_json::from_str::<PageView>(&body).unwrap().faucet);

    let to = address(1, Network::Dev);
    let (status, body) = ask(&api, &[], &to).await;
    assert!(status == 409 && line(&body).contains("is mining some; ask again in some seconds"), "{status} {body}");
    api.node.units.store(50 * COIN, Ordering::Relaxed);
    // What was not paid does not count.
    let own = [format!("origin: http://{}", api.server.address()), "sec-fetch-site: same-origin".into()];
    let (status, body) = ask(&api, &own, &to).await;
    assert_eq!(status, 200, "{body}");
    let paid: FaucetPaid = serde_json::from_str(&body).unwrap();
    assert_eq!(paid, FaucetPaid { txid: "ab".into(), amount_units: 2 * COIN });
    let before = api.node.asked();
    assert_eq!(before.iter().filter(|call| **call == format!("send 200000000 to {to}")).count(), 2);

    let (status, body) = ask(&api, &[], &to).await;
    assert!(status == 429 && line(&body).contains("less than a minute ago"), "{status} {body}");
    let (status, body) = ask(&api, &[], &address(2, Network::Test)).await;
    assert!(status == 400 && line(&body).contains("is of network test, expected an address of network dev"), "{body}");
    assert_eq!(ask(&api, &[], "nonsense").await.0, 400);
    assert_eq!(ask(&api, &[], &"1".repeat(2000)).await.0, 400);
    for body in ["", "{}", "[]", r#"{"address":1}"#, r#"{"address":"a","amount":5}"#] {
        let (status, body) = api.raw("POST /faucet", &[api.host()], body).await;
        assert_eq!(status, 400);
        line(&body);
    }
    let strangers = [vec!["origin: http://example.com".into()], vec!["sec-fetch-site: cross-site".into()]];
    for headers in strangers {
        let (status, body) = ask(&api, &headers, &address(3, Network::Dev)).await;
        assert_eq!(status, 403);
        line(&body);
    }
    assert_eq!(api.node.asked(), before, "none of these reached the wallet");
    assert_eq!(ask(&api, &[], &address(3, Network::Dev)).await.0, 200);
}

#[tokio::test]
async fn without_a_faucet_nothing_is_paid() {
    let api = with_page().await;
    let (status, body) = ask(&api, &[], &address(1, Network::Dev)).await;
    assert!(status == 404 && line(&body).contains("--faucet"), "{status} {body}");
    assert!(api.node.asked().is_empty());
}
