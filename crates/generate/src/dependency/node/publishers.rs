//! Who published what comes: a version by somebody who had nothing to do with the one before is pointed out.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use patchline_model::failure::Failure;
use serde_json::{Map, Value};

use crate::dependency::node::registry::Registry;
use crate::message::{Update, clean};

/// Packages of one change that are asked about, and at the same time.
const MOST_ASKED: usize = 40;
const AT_ONCE: usize = 8;

/// A sentence for each package that is cleared and whose new version a stranger published.
pub(crate) async fn strangers(registry: &Registry, updates: &[Update<'_>]) -> Result<Vec<String>, Failure> {
    let moving = updates.iter().filter(|update| update.to != "none").take(MOST_ASKED);
    let moving: Vec<(String, String, String)> =
        moving.map(|update| (update.package.to_owned(), update.from.clone(), update.to.clone())).collect();
    let told = stream::iter(moving).map(|(name, from, to)| async move {
        let (before, after) =
            (registry.published(&name, &from).await?, registry.published(&name, &to).await?);
        let by = before.zip(after).and_then(|(before, after)| stranger(&before, &after));
        Ok(by.map(|by| {
            format!("{name} {to} was published by `{by}`, who was not among those who maintained {from}.")
        }))
    });
    let told: Vec<Option<String>> = told.buffered(AT_ONCE).try_collect().await?;
    Ok(told.into_iter().flatten().collect())
}

/// Who published the newer version, if that is nobody whom the older one names. What a repository's own workflow publishes names
/// no person; of that, and of what says nothing, nothing is known.
fn stranger(before: &Map<String, Value>, after: &Map<String, Value>) -> Option<String> {
    let user = |manifest: &Map<String, Value>| {
        let user = manifest.get("_npmUser")?;
        let is_workflow = user.get("trustedPublisher").is_some();
        user.get("name")?.as_str().filter(|_| !is_workflow).map(str::to_owned)
    };
    let listed = before.get("maintainers").and_then(Value::as_array).into_iter().flatten();
    // As a map, or as in `eve <eve@example.org>`.
    let name = |one: &Value| {
        let text = one.get("name").unwrap_or(one).as_str()?;
        text.split('<').next().map(|name| name.trim().to_owned())
    };
    let known: Vec<String> = listed.filter_map(name).chain(user(before)).collect();
    let by = user(after)?;
    (!known.is_empty() && !known.contains(&by)).then(|| clean(&by, 60).replace('`', "'"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::stranger;

    fn check(before: &Value, after: &Value, then: Option<&str>) {
        let map = |value: &Value| value.as_object().unwrap().clone();
        assert_eq!(stranger(&map(before), &map(after)).as_deref(), then, "{before} {after}");
    }

    #[test]
    fn who_is_named_by_the_version_before_is_no_stranger() {
        let by = |name: &str| json!({ "_npmUser": { "name": name } });
        let maintained = json!({ "maintainers": [{ "name": "ann" }, "bob <bob@example.org>"], "_npmUser": { "name": "cy" } });
        for known in ["ann", "bob", "cy"] {
            check(&maintained, &by(known), None);
        }
        check(&maintained, &by("eve`\u{202e}"), Some("eve'"));
        check(&json!({}), &by("eve"), None);
        check(&maintained, &json!({ "_npmUser": 7 }), None);
        check(
            &maintained,
            &json!({ "_npmUser": { "name": "GitHub Actions", "trustedPublisher": {} } }),
            None,
        );
    }
}
