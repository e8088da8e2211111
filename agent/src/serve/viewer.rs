//! What the pages need in a browser: their style and scripts, embedded as they are sent, gzipped. The sources are the files
//! in `viewer/`, the bytes those in `viewer/gz/`; a test holds one to the other, and `BLESS=1` rewrites the bytes.

use std::io::Read as _;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::read::GzDecoder;

use super::Port;
use super::answer::Refusal;
use crate::{Error, ErrorKind};

/// A file for the browser.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) name: &'static str,
    pub(super) gzipped: &'static [u8],
}

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        [$(Asset { name: $name, gzipped: include_bytes!(concat!("viewer/gz/", $name, ".gz")) }),*]
    };
}

/// Every file there is.
pub(super) const ASSETS: &[Asset] = &assets![
    "charts.js",
    "flame.js",
    "icicle.js",
    "nodes.js",
    "owners.js",
    "pprof.js",
    "sheets.js",
    "snapshots.js",
    "style.css",
    "table.js",
    "tools.js",
    "tree.js",
    "units.js",
    "view.js",
    "words.js",
];

impl Asset {
    /// Its media type, without which a browser runs no module and uses no style.
    pub(super) fn media_type(&self) -> &'static str {
        match self.name.rsplit_once('.') {
            Some((_, "css")) => "text/css; charset=utf-8",
            _ => "text/javascript; charset=utf-8",
        }
    }

    /// What tells two versions apart: the checksum and the length that a gzip file ends with.
    fn tag(&self) -> String {
        let trailer = self.gzipped.iter().rev().take(8);
        trailer.fold(String::from("\""), |tag, byte| format!("{tag}{byte:02x}")) + "\""
    }

    /// The file itself.
    pub(super) fn plain(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let read = GzDecoder::new(self.gzipped).read_to_end(&mut bytes);
        read.map_err(|error| Error::new(ErrorKind::Io, "cannot unpack a page's part").because(error))?;
        Ok(bytes)
    }
}

/// A file by its name, which a browser keeps and asks for again only to hear that it has not changed.
pub(super) async fn asset(
    State(_): State<Arc<Port>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let asset = ASSETS.iter().find(|asset| asset.name == name);
    let asset = asset.ok_or_else(|| Refusal::not_found("no such part of a page"))?;
    let tag = asset.tag();
    let known = headers.get(IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    let mut response = if known.is_some_and(|known| known.split(',').any(|known| known.trim() == tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if takes_gzip(&headers) {
        ([(CONTENT_ENCODING, "gzip")], asset.gzipped).into_response()
    } else {
        asset.plain()?.into_response()
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.media_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(ETAG, tag);
    }
    Ok(response)
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip") || name == "*");
        is_gzip && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}
