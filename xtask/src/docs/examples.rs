//! Public items without an example, from rustdoc's JSON.

use serde_json::Value;

/// The kinds of items that have their own example. Methods of a trait share the
/// trait's, fields and variants that of their type.
const KINDS: [&str; 9] = [
    "function",
    "struct",
    "enum",
    "union",
    "trait",
    "type_alias",
    "macro",
    "constant",
    "static",
];

/// How many items have an example, and the paths of those that do not.
pub fn without(json: &str) -> Result<(usize, Vec<String>), String> {
    let json: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let mut search = Search {
        index: &json["index"],
        with: 0,
        without: Vec::new(),
    };
    search.module(&json["root"], "");
    match search.with {
        // The format is not stable.
        0 => Err("no item with an example was found: has rustdoc's JSON changed?".into()),
        with => Ok((with, search.without)),
    }
}

struct Search<'a> {
    index: &'a Value,
    with: usize,
    without: Vec<String>,
}

impl<'a> Search<'a> {
    /// An item and its kind; `None` for one of another crate.
    fn item(&self, id: &Value) -> Option<(&'a Value, &'a str, &'a Value)> {
        let item = self.index.get(id.to_string())?;
        let (kind, inner) = item["inner"].as_object()?.iter().next()?;
        Some((item, kind, inner))
    }

    /// What a module, or its exports, make public.
    fn module(&mut self, id: &Value, path: &str) {
        let Some((_, "module", inner)) = self.item(id) else {
            return;
        };
        for id in inner["items"].as_array().into_iter().flatten() {
            match self.item(id) {
                Some((_, "use", used)) => {
                    let name = used["name"].as_str().unwrap_or_default();
                    self.public(&used["id"], &format!("{path}{name}"));
                }
                Some((item, ..)) => {
                    let name = item["name"].as_str().unwrap_or_default();
                    self.public(id, &format!("{path}{name}"));
                }
                None => {}
            }
        }
    }

    fn public(&mut self, id: &Value, path: &str) {
        let Some((item, kind, inner)) = self.item(id) else {
            return;
        };
        if kind == "module" {
            return self.module(id, &format!("{path}::"));
        }
        if !KINDS.contains(&kind) {
            return;
        }
        match item["docs"]
            .as_str()
            .is_some_and(|docs| docs.contains("```"))
        {
            true => self.with += 1,
            false => self.without.push(path.into()),
        }
        for id in inner["impls"].as_array().into_iter().flatten() {
            if let Some((_, "impl", block)) = self.item(id)
                && block["trait"].is_null()
            {
                for id in block["items"].as_array().into_iter().flatten() {
                    if let Some((item, ..)) = self.item(id) {
                        let name = item["name"].as_str().unwrap_or_default();
                        self.public(id, &format!("{path}::{name}"));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::without;

    /// A crate that exports a type of a private module, with two methods.
    fn json(docs: [&str; 3]) -> String {
        let [of_type, of_first, of_second] = docs.map(|docs| format!("{docs:?}"));
        format!(
            r#"{{"root": 0, "index": {{
                "0": {{"name": "c", "docs": "", "inner": {{"module": {{"items": [1, 9]}}}}}},
                "1": {{"name": null, "docs": "", "inner": {{"use": {{"name": "T", "id": 2}}}}}},
                "2": {{"name": "T", "docs": {of_type}, "inner": {{"struct": {{"impls": [3, 4]}}}}}},
                "3": {{"name": null, "docs": "", "inner": {{"impl": {{"trait": null, "items": [5, 6]}}}}}},
                "4": {{"name": null, "docs": "", "inner": {{"impl": {{"trait": {{}}, "items": [7]}}}}}},
                "5": {{"name": "f", "docs": {of_first}, "inner": {{"function": {{}}}}}},
                "6": {{"name": "g", "docs": {of_second}, "inner": {{"function": {{}}}}}},
                "7": {{"name": "fmt", "docs": null, "inner": {{"function": {{}}}}}}
            }}}}"#
        )
    }

    #[test]
    fn items_without_an_example_are_named() {
        let example = "Text.\n\n```\nf();\n```";
        let found = |docs| without(&json(docs)).unwrap();
        assert_eq!(found([example; 3]), (3, vec![]));
        assert_eq!(found([example, example, "Text."]), (2, vec!["T::g".into()]));
        assert_eq!(found(["", example, example]), (2, vec!["T".into()]));
        assert!(without("{}").is_err());
    }
}
