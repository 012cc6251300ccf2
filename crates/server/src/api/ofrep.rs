//! Flags by OFREP, the OpenFeature Remote Evaluation Protocol: what the proxy is asked to decide for a user, for front ends
//! and other services. Single and bulk evaluation (`open-feature/protocol`, `service/openapi.yaml`).

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use patchline_model::digest::Digest;
use patchline_model::view::flags::{self, Attributes, KeyMissing, Standing, Why};
use serde_json::{Map, Value, json};

use crate::problem::Problem;
use crate::state::Shared;

/// Characters of a key that are told back.
const LONGEST_KEY: usize = 100;

/// Why nothing could be evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Parse,
    Context,
    KeyMissing,
    NotFound,
    Ambiguous,
}

/// The user, as the request describes them.
struct User {
    key: Option<String>,
    attributes: Attributes,
}

/// `POST /ofrep/v1/evaluate/flags/{key}`
pub async fn one(
    State(shared): State<Shared>,
    Path(key): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let standing = standing(&shared).await?;
    let answered = user(&body).and_then(|user| {
        let flag = standing.get(&key).ok_or(Refused::NotFound)?;
        evaluate(&key, flag, &user)
    });
    Ok(match answered {
        Ok(success) => json_answer(StatusCode::OK, &success),
        Err(refused) => {
            let status = match refused {
                Refused::NotFound => StatusCode::NOT_FOUND,
                Refused::Parse | Refused::Context | Refused::KeyMissing | Refused::Ambiguous => {
                    StatusCode::BAD_REQUEST
                }
            };
            json_answer(status, &failure(Some(&key), refused))
        }
    })
}

/// `POST /ofrep/v1/evaluate/flags`: every flag that stands, with a tag by which an unchanged answer is not sent again.
pub async fn all(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let user = match user(&body) {
        Ok(user) => user,
        Err(refused) => return Ok(json_answer(StatusCode::BAD_REQUEST, &failure(None, refused))),
    };
    let standing = standing(&shared).await?;
    let one = |(key, flag): (&String, &Vec<Standing>)| {
        evaluate(key, flag, &user).unwrap_or_else(|refused| failure(Some(key), refused))
    };
    let answer = json!({ "flags": standing.iter().map(one).collect::<Vec<_>>() });
    let tag = format!("\"{}\"", Digest::of(answer.to_string().as_bytes()).short());
    let mut response = if is_known(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        json_answer(StatusCode::OK, &answer)
    };
    response.headers_mut().insert(header::ETAG, HeaderValue::from_str(&tag).expect("a digest is plain"));
    Ok(response)
}

async fn standing(shared: &Shared) -> Result<BTreeMap<String, Vec<Standing>>, Problem> {
    let all = shared.app.conductor.patches().await.map_err(|error| Problem::store(&error))?;
    Ok(flags::standing(all.iter().map(|known| &known.patch)))
}

/// Reads the evaluation context: foreign bytes.
fn user(body: &[u8]) -> Result<User, Refused> {
    let request: Value = serde_json::from_slice(body).map_err(|_| Refused::Parse)?;
    let Value::Object(request) = request else { return Err(Refused::Parse) };
    let context = match request.get("context") {
        None => Map::new(),
        Some(Value::Object(context)) => context.clone(),
        Some(_) => return Err(Refused::Context),
    };
    let key = match context.get("targetingKey") {
        None | Some(Value::Null) => None,
        Some(Value::String(key)) => Some(key.clone()),
        Some(_) => return Err(Refused::Context),
    };
    let plain = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let attributes = context.into_iter().filter_map(|(name, value)| Some((name, plain(value)?)));
    Ok(User { key, attributes: attributes.collect() })
}

fn evaluate(key: &str, flag: &[Standing], user: &User) -> Result<Value, Refused> {
    let [standing] = flag else { return Err(Refused::Ambiguous) };
    let answer = standing.answer(user.key.as_deref(), &user.attributes);
    let answer = answer.map_err(|KeyMissing| Refused::KeyMissing)?;
    let reason = match answer.why {
        Why::Disabled => "DISABLED",
        Why::NoPart => "DEFAULT",
        Why::Split => "SPLIT",
        Why::Static => "STATIC",
    };
    Ok(json!({
        "key": key,
        "value": answer.is_on,
        "reason": reason,
        "variant": if answer.is_on { "on" } else { "off" },
        "metadata": { "service": standing.service },
    }))
}

fn failure(key: Option<&str>, refused: Refused) -> Value {
    let (code, details) = match refused {
        Refused::Parse => ("PARSE_ERROR", "the request is no JSON object"),
        Refused::Context => ("INVALID_CONTEXT", "`context` is an object, and its `targetingKey` a text"),
        Refused::KeyMissing => (
            "TARGETING_KEY_MISSING",
            "the flag is on for some users, so `context` must name one by `targetingKey`",
        ),
        Refused::NotFound => ("FLAG_NOT_FOUND", "no rollout that stands has a flag of this name"),
        Refused::Ambiguous => ("GENERAL", "more than one service has a flag of this name"),
    };
    let key = key.map(|key| key.chars().take(LONGEST_KEY).collect::<String>());
    let mut failure = json!({ "errorCode": code, "errorDetails": details });
    if let (Some(key), Some(fields)) = (key, failure.as_object_mut()) {
        fields.insert("key".to_owned(), Value::String(key));
    }
    failure
}

/// Whether the asker has this answer already (RFC 9110, section 13.1.2: weak comparison).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.trim_start_matches("W/") == tag
    })
}

fn json_answer(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{HeaderMap, HeaderValue, Refused, header, is_known, user};

    #[test]
    fn a_context_is_read_or_refused_by_the_name_of_the_fault() {
        let read = user(br#"{"context":{"targetingKey":"ann","x-beta":1,"list":[1]}}"#);
        let read = read.unwrap_or_else(|refused| panic!("{refused:?}"));
        assert_eq!(read.key.as_deref(), Some("ann"));
        assert_eq!(read.attributes.get("x-beta").map(String::as_str), Some("1"));
        assert!(!read.attributes.contains_key("list"));
        let refused = |body: &str| user(body.as_bytes()).err();
        assert_eq!(refused("{"), Some(Refused::Parse));
        assert_eq!(refused("[]"), Some(Refused::Parse));
        assert_eq!(refused(r#"{"context":1}"#), Some(Refused::Context));
        assert_eq!(refused(r#"{"context":{"targetingKey":7}}"#), Some(Refused::Context));
        assert_eq!(refused("{}"), None);
    }

    #[test]
    fn a_tag_is_known_alone_among_others_and_weakly() {
        let asks = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, HeaderValue::from_str(text).expect("plain"));
            is_known(&headers, "\"abc\"")
        };
        assert!(asks("\"abc\"") && asks("\"x\", W/\"abc\"") && asks("*"));
        assert!(!asks("\"abcd\"") && !asks("abc") && !is_known(&HeaderMap::new(), "\"abc\""));
    }

    proptest! {
        #[test]
        fn any_body_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "\\{\"context\":.{0,40}\\}") {
            let _ = (user(&bytes), user(text.as_bytes()));
        }
    }
}
