//! The routes: which path answers what.

use crate::document;
use crate::http::{Request, Response};
use crate::json;
use crate::note::Draft;
use crate::store::{Search, Store};

pub struct Api {
    store: Store,
}

impl Api {
    pub fn new() -> Api {
        Api { store: Store::new() }
    }

    pub fn answer(&self, request: &Request) -> Response {
        let method = if request.method == "HEAD" { "GET" } else { request.method.as_str() };
        match (method, request.path.as_str()) {
            ("GET", "/healthz") => {
                Response { content_type: "text/plain", ..Response::json(200, "ok".to_owned()) }
            }
            ("GET", "/notes") => self.find(&request.query),
            ("POST", "/notes") => self.add(&request.body),
            ("POST", "/render") => render(&request.body),
            (_, "/healthz") => not_allowed("GET, HEAD"),
            (_, "/notes") => not_allowed("GET, HEAD, POST"),
            (_, "/render") => not_allowed("POST"),
            (method, path) => match path.strip_prefix("/notes/").map(str::parse) {
                Some(Ok(id)) if method == "GET" => self.get(id),
                Some(Ok(_)) => not_allowed("GET, HEAD"),
                _ => Response::error(404, "there is nothing here"),
            },
        }
    }

    fn add(&self, body: &[u8]) -> Response {
        match document::read(body).and_then(|document| Draft::from_yaml(&document)) {
            Ok(draft) => {
                let (id, summary) = self.store.add(draft);
                Response::json(201, summary).with("Location", format!("/notes/{id}"))
            }
            Err(reason) => Response::error(400, &reason),
        }
    }

    fn get(&self, id: u64) -> Response {
        match self.store.get(id) {
            Some(note) => Response::json(200, note),
            None => Response::error(404, "there is no such note"),
        }
    }

    fn find(&self, query: &str) -> Response {
        match parse_search(query) {
            Ok(search) => {
                Response::json(200, format!("{{\"notes\":[{}]}}", self.store.find(&search).join(",")))
            }
            Err(reason) => Response::error(400, &reason),
        }
    }
}

fn render(body: &[u8]) -> Response {
    match document::read(body).and_then(|document| json::canonical(&document)) {
        Ok(text) => Response::json(200, text),
        Err(reason) => Response::error(400, &reason),
    }
}

fn not_allowed(allowed: &str) -> Response {
    Response::error(405, "this path does not know that method").with("Allow", allowed.to_owned())
}

fn parse_search(query: &str) -> Result<Search, String> {
    let mut search = Search::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value).ok_or_else(|| format!("`{name}` is not well encoded"))?;
        match name {
            "tag" => search.tag = Some(value),
            "title" => search.title = Some(value),
            _ => return Err(format!("a search by `{name}` is not possible, try `tag` or `title`")),
        }
    }
    Ok(search)
}

/// Percent-decoding, with `+` for a space.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(rest.next()?)? * 16 + hex_digit(rest.next()?)?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
