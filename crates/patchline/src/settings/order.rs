//! `order` and `partition`: instances with names, and which of them is replaced when.

use std::collections::BTreeSet;

use patchline_model::cohort::Token;
use patchline_model::stage::plan::Order;
use serde::Deserialize;
use toml::Spanned;

use crate::settings::caret::Problem;

/// The one word that stands for all names: 0, 1, 2 and so on, the highest first.
const ORDINAL: &str = "ordinal";

#[derive(Deserialize)]
#[serde(untagged)]
pub enum OrderSection {
    Word(String),
    Names(Vec<String>),
}

/// What is written about it, and how many instances there are.
pub struct OrderKeys<'a> {
    pub order: Option<&'a Spanned<OrderSection>>,
    pub partition: Option<&'a Spanned<u32>>,
    pub max_unavailable: Option<&'a Spanned<u32>>,
    pub instances: u32,
}

pub fn order(keys: &OrderKeys<'_>) -> Result<Option<Order>, Problem> {
    let Some(written) = keys.order else {
        return match keys.partition {
            None => Ok(None),
            Some(partition) => {
                Err(Problem::at(partition.span(), "`partition` has no effect without `order`")
                    .hint("add `order = \"ordinal\"`: the highest number is replaced first"))
            }
        };
    };
    if keys.instances < 2 {
        let message = "`order` needs at least two `instances`: one keeps the old version to be compared with";
        return Err(Problem::at(written.span(), message).hint("raise `instances` in [run]"));
    }
    if let Some(given) = keys.max_unavailable {
        let message = "`max_unavailable` has no effect with `order`: a batch's old instances always go first";
        return Err(Problem::at(given.span(), message).hint("leave it out; `batch` says how many"));
    }
    let names = names(written, keys.instances)?;
    let partition = match keys.partition {
        Some(partition) if *partition.get_ref() >= keys.instances => {
            let message =
                "`partition` is fewer than `instances`: so many keep the old version until a person goes on";
            return Err(Problem::at(partition.span(), message));
        }
        partition => partition.map_or(0, |partition| *partition.get_ref()),
    };
    Ok(Some(Order { names, partition }))
}

fn names(written: &Spanned<OrderSection>, instances: u32) -> Result<Vec<Token>, Problem> {
    let wrong = |message: String| {
        Problem::at(written.span(), message).hint("as in \"ordinal\", or [\"replica\", \"leader\"]")
    };
    let texts = match written.get_ref() {
        OrderSection::Word(word) if word == ORDINAL => {
            (0..instances).rev().map(|number| number.to_string()).collect()
        }
        OrderSection::Word(_) => {
            return Err(wrong(format!("`order` is \"{ORDINAL}\" or a list of the instances' names")));
        }
        OrderSection::Names(names) => names.clone(),
    };
    let distinct: BTreeSet<&String> = texts.iter().collect();
    if texts.len() != instances as usize || distinct.len() != texts.len() {
        return Err(wrong(format!(
            "`order` has {} different names for {instances} instances; each has one of its own",
            distinct.len()
        )));
    }
    let read = |text: &String| text.parse::<Token>().map_err(|error| wrong(error.to_string()));
    texts.iter().map(read).collect()
}
