//! A stand-in for OSV's query API on loopback, for scanners that have no database of their own: what they take is then their own
//! time, with a server that answers at once.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// Bytes of a request's head, and of what it asks.
const MOST: u64 = 64 << 10;

/// Answers until the process ends; of each package that `is_known` it has one vulnerability.
pub fn answer_queries(is_known: fn(&str) -> bool) -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("could not listen on loopback")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Who asks is told of what broke by the connection's end, and fails.
            std::thread::spawn(move || serve(&stream, is_known));
        }
    });
    Ok(address)
}

/// One request after another of a connection.
fn serve(stream: &TcpStream, is_known: fn(&str) -> bool) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(query) = asked(&mut reader)? {
        let body = answer(&query, is_known).to_string();
        let length = body.len();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
        writer.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    }
    Ok(())
}

/// What the next request asks; none where the connection ends.
fn asked(reader: &mut impl BufRead) -> Result<Option<Value>> {
    let mut head = reader.by_ref().take(MOST);
    let mut length = None;
    let mut line = String::new();
    loop {
        line.clear();
        if head.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = Some(value.trim().parse::<u64>().context("its length is no number")?);
            }
            None if line.trim_end().is_empty() => break,
            Some(_) | None => {}
        }
    }
    let length =
        length.filter(|length| *length <= MOST).context("a request without a length that makes sense")?;
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    if body.len() as u64 != length {
        bail!("a request that was cut off");
    }
    Ok(Some(serde_json::from_slice(&body)?))
}

fn answer(query: &Value, is_known: fn(&str) -> bool) -> Value {
    let package = &query["package"];
    if !package["name"].as_str().is_some_and(is_known) {
        return json!({});
    }
    let range = json!({ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }, { "fixed": "2.0.0" }] });
    json!({ "vulns": [{
        "id": "X-1", "modified": "2024-01-01T00:00:00Z", "summary": "It reads beyond the end of what it was given",
        "affected": [{ "package": package, "ranges": [range] }],
    }] })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use serde_json::json;

    use super::{answer, asked};

    #[test]
    fn requests_are_read_one_after_another_and_what_is_known_has_an_answer() {
        let request = |name: &str| {
            let body =
                json!({ "package": { "name": name, "ecosystem": "PyPI" }, "version": "1" }).to_string();
            format!("POST /v1/query HTTP/1.1\r\nHost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        };
        let mut reader = Cursor::new(format!("{}{}", request("a"), request("b")));
        let mut vulnerabilities = || {
            let query = asked(&mut reader).unwrap()?;
            Some(answer(&query, |name| name == "b")["vulns"].as_array().map_or(0, Vec::len))
        };
        assert_eq!((vulnerabilities(), vulnerabilities(), vulnerabilities()), (Some(0), Some(1), None));
        let cut = request("a");
        assert!(asked(&mut Cursor::new(&cut[..cut.len() - 1])).is_err());
        assert!(asked(&mut Cursor::new("GET / HTTP/1.1\r\n\r\n")).is_err());
    }
}
