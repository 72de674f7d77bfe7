//! Links of pages that lead nowhere.

use std::collections::{BTreeMap, BTreeSet};

use pulldown_cmark::{BrokenLink, Event, Options, Parser, Tag, TagEnd};

/// Texts of the pages, by their path in the repository.
type Pages = BTreeMap<String, String>;

/// Where docs.rs has the output of `cargo doc`, and the sources.
const DOCS: &str = "https://docs.rs/hyaline";
const SOURCES: &str = "https://docs.rs/crate/hyaline/latest/source/";

/// The complaints, one per line. `exists` is for paths in the repository,
/// `html` reads a file that rustdoc made.
pub fn dead(
    pages: &Pages,
    exists: &dyn Fn(&str) -> bool,
    html: &dyn Fn(&str) -> Option<String>,
) -> Vec<String> {
    let read: BTreeMap<&str, Page> = pages
        .iter()
        .map(|(path, text)| (&**path, page(text)))
        .collect();
    let mut complaints = Vec::new();
    for (path, page) in &read {
        for link in &page.undefined {
            complaints.push(format!("{path}: [{link}] has no definition"));
        }
        for link in &page.links {
            let (address, anchor) = link.split_once('#').unwrap_or((link, ""));
            let found = if let Some(file) = address.strip_prefix(SOURCES) {
                exists(file)
            } else if let Some(file) = address.strip_prefix(DOCS) {
                let file = file.trim_start_matches("/latest/hyaline").trim_matches('/');
                let file = if file.is_empty() { "index.html" } else { file };
                html(&format!("hyaline/{file}")).is_some_and(|text| {
                    anchor.is_empty() || text.contains(&format!("id=\"{anchor}\""))
                })
            } else if address.contains(':') {
                // Another site: a check must not depend on a network.
                true
            } else {
                let target = join(path, address);
                let headings = read.get(&*target).map(|page| &page.headings);
                exists(&target)
                    && (anchor.is_empty() || headings.is_some_and(|all| all.contains(anchor)))
            };
            if !found {
                complaints.push(format!("{path}: {link} leads nowhere"));
            }
        }
    }
    complaints
}

/// The path that a relative address means on a page.
fn join(page: &str, address: &str) -> String {
    if address.is_empty() {
        return page.into();
    }
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in address.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[derive(Default)]
struct Page {
    links: BTreeSet<String>,
    /// Names of items in brackets, which would appear as brackets.
    undefined: BTreeSet<String>,
    /// The anchors of the headings.
    headings: BTreeSet<String>,
}

fn page(text: &str) -> Page {
    let mut page = Page::default();
    let mut undefined = BTreeSet::new();
    let mut callback = |link: BrokenLink<'_>| {
        undefined.insert(link.reference.to_string());
        None
    };
    let parser =
        Parser::new_with_broken_link_callback(text, Options::ENABLE_TABLES, Some(&mut callback));
    let mut heading: Option<String> = None;
    for event in parser {
        match event {
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                page.links.insert(dest_url.to_string());
            }
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let name = slug(&heading.take().unwrap_or_default());
                let same = |number: &usize| match number {
                    0 => name.clone(),
                    number => format!("{name}-{number}"),
                };
                let free = (0..)
                    .map(|number| same(&number))
                    .find(|name| !page.headings.contains(name));
                page.headings.extend(free);
            }
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&part);
                }
            }
            _ => {}
        }
    }
    page.undefined = undefined
        .into_iter()
        .filter(|name| name.starts_with('`'))
        .collect();
    page
}

/// The anchor of a heading, as GitHub makes it.
fn slug(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let kept = heading.chars().filter(kept).collect::<String>();
    kept.to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::dead;

    const OTHER: &str = "# Other page\n## It's `here`, twice\n## It's here twice\n";

    #[track_caller]
    fn one(text: &str, wrong: &[&str]) {
        let pages = [("docs/a.md", text), ("b.md", OTHER)];
        let pages = pages
            .map(|(path, text)| (path.to_string(), text.to_string()))
            .into();
        let exists = |path: &str| ["docs/a.md", "b.md", "src", "src/lib.rs"].contains(&path);
        let html =
            |path: &str| (path == "hyaline/index.html").then(|| "<p id=\"here\">".to_string());
        let found = dead(&pages, &exists, &html);
        assert_eq!(found.len(), wrong.len(), "{found:?}");
        for (found, wrong) in found.iter().zip(wrong) {
            assert!(
                found.starts_with("docs/a.md: ") && found.contains(wrong),
                "{found}"
            );
        }
    }

    #[test]
    fn what_leads_somewhere() {
        one(
            "# Up\n[a](#up) [b](../b.md#its-here-twice-1) [c](../src) [d](../src/lib.rs)",
            &[],
        );
        one(
            "[a](https://docs.rs/hyaline) [b](https://docs.rs/hyaline#here)",
            &[],
        );
        one(
            "[a](https://docs.rs/hyaline/latest/hyaline/index.html#here)",
            &[],
        );
        one(
            "[a](https://docs.rs/crate/hyaline/latest/source/src) [b](https://other.org/#x)",
            &[],
        );
        one(
            "`[a](nowhere.md)`\n```text\n[b](nowhere.md)\n```\n[1], [`x`]\n\n[`x`]: ../b.md",
            &[],
        );
    }

    #[test]
    fn what_does_not() {
        one("[a](b.md)", &["b.md leads nowhere"]);
        one("![a](../docs/a.svg)", &["a.svg leads nowhere"]);
        one("[a](#down)", &["#down leads"]);
        one("[a](../b.md#its-here-twice-2)", &["-2 leads"]);
        one("[a](../src/lib.rs#here)", &["lib.rs#here leads"]);
        one(
            "[a](https://docs.rs/hyaline/latest/hyaline/struct.No.html)",
            &["No.html leads"],
        );
        one("[a](https://docs.rs/hyaline#there)", &["#there leads"]);
        one(
            "[a](https://docs.rs/crate/hyaline/latest/source/tests/)",
            &["tests/ leads"],
        );
        one(
            "| a |\n|---|\n| [`Handle`] |",
            &["[`Handle`] has no definition"],
        );
    }
}
