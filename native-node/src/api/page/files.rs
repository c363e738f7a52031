//! The page's files, as browsers want them: with a type, a tag that changes with the content, compressed.

use crate::api::ApiError;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use camelid_core::hash::sha256;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, OnceLock};

/// Letters and digits of the content's hash in a name, which the page's build puts there.
const NAME_HASH: usize = 8;

/// The page's files by their paths, such as `assets/index-Bc3dE9_x.js`. There is no folder behind them: what is no path
/// of these is nothing.
#[derive(Debug, Default)]
pub struct PageFiles(BTreeMap<String, Arc<File>>);

impl PageFiles {
    /// Takes files with their paths.
    pub fn new(files: impl IntoIterator<Item = (String, Cow<'static, [u8]>)>) -> Self {
        PageFiles(
            files.into_iter().map(|(path, content)| (path.clone(), Arc::new(File::new(&path, content)))).collect(),
        )
    }

    /// Whether there is no page.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, path: &str) -> Option<&Arc<File>> {
        self.0.get(path)
    }
}

/// A file of the page.
#[derive(Debug)]
pub(super) struct File {
    content: Bytes,
    kind: Kind,
    /// Weak, because it stands for the compressed form too.
    tag: String,
    cache: &'static str,
    /// Made when it is first wanted; `None` where it saves little.
    compressed: OnceLock<Option<Bytes>>,
}

#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    text: bool,
}

impl Kind {
    fn of(path: &str) -> Self {
        let (name, text) = match path.rsplit('.').next().unwrap_or_default() {
            "html" => ("text/html; charset=utf-8", true),
            "js" | "mjs" => ("text/javascript; charset=utf-8", true),
            "css" => ("text/css; charset=utf-8", true),
            "json" | "map" => ("application/json", true),
            "webmanifest" => ("application/manifest+json", true),
            "svg" => ("image/svg+xml", true),
            "txt" => ("text/plain; charset=utf-8", true),
            "wasm" => ("application/wasm", true),
            "png" => ("image/png", false),
            "webp" => ("image/webp", false),
            "ico" => ("image/x-icon", false),
            "woff2" => ("font/woff2", false),
            _ => ("application/octet-stream", true),
        };
        Kind { name, text }
    }
}

/// Whether a file under this path never changes, because its name has the content's hash in it.
fn is_hashed(path: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let stem = path.strip_prefix("assets/").and_then(|name| name.split('.').next());
    stem.and_then(|stem| stem.len().checked_sub(NAME_HASH + 1).and_then(|at| stem.get(at..)))
        .is_some_and(|end| end.starts_with('-') && end.bytes().all(letter))
}

impl File {
    fn new(path: &str, content: Cow<'static, [u8]>) -> Self {
        let hash = sha256(&content);
        let content = match content {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        };
        File {
            content,
            kind: Kind::of(path),
            tag: format!("W/\"{}\"", hex::encode(&hash.0[..16])),
            cache: if is_hashed(path) { "public, max-age=31536000, immutable" } else { "no-cache" },
            compressed: OnceLock::new(),
        }
    }

    /// The answer to who asks for it with these headers.
    pub(super) async fn answer(self: &Arc<Self>, headers: &HeaderMap) -> Result<Response, ApiError> {
        let common =
            [(header::ETAG, self.tag.as_str()), (header::CACHE_CONTROL, self.cache), (header::VARY, "accept-encoding")];
        if list(headers, header::IF_NONE_MATCH.as_str()).any(|tag| tag == "*" || weak(tag) == weak(&self.tag)) {
            return Ok((StatusCode::NOT_MODIFIED, common).into_response());
        }
        let kind = [(header::CONTENT_TYPE, self.kind.name)];
        if self.kind.text && list(headers, header::ACCEPT_ENCODING.as_str()).any(takes_gzip) {
            let file = self.clone();
            // The largest take a second, once.
            let made =
                tokio::task::spawn_blocking(move || file.compressed.get_or_init(|| compress(&file.content)).clone());
            if let Some(bytes) = made.await.map_err(|e| ApiError::internal(e.to_string()))? {
                return Ok((common, kind, [(header::CONTENT_ENCODING, "gzip")], bytes).into_response());
            }
        }
        Ok((common, kind, self.content.clone()).into_response())
    }
}

fn compress(content: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).ok()?;
    let bytes = encoder.finish().ok()?;
    (bytes.len() + bytes.len() / 20 < content.len()).then(|| bytes.into())
}

/// The parts of a header that is a list.
fn list<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

fn weak(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// Whether an entry such as `gzip;q=0.5` of `Accept-Encoding` wants gzip.
fn takes_gzip(entry: &str) -> bool {
    let mut parts = entry.split(';').map(str::trim);
    let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
    let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
    named && weight.is_ok_and(|weight| weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_hash_never_change() {
        for yes in ["assets/index-Bc3dE9_x.js", "assets/a-b-12345678.wasm", "assets/deep/x--abcdef-.css"] {
            assert!(is_hashed(yes), "{yes}");
        }
        for no in
            ["index.html", "index-Bc3dE9_x.js", "assets/index.js", "assets/i-short.js", "assets/-é234567.js", "assets/"]
        {
            assert!(!is_hashed(no), "{no}");
        }
    }

    #[test]
    fn gzip_is_for_who_takes_it() {
        for yes in ["gzip", "GZIP", "gzip;q=0.5", "gzip; q=1"] {
            assert!(takes_gzip(yes), "{yes}");
        }
        for no in ["br", "gzip;q=0", "gzip; q=0.000", "gzip;q=x", "", "xgzip"] {
            assert!(!takes_gzip(no), "{no}");
        }
    }
}
