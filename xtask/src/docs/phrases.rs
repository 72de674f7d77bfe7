//! Phrases that the sources and pages avoid, from a table of a page.

use std::collections::BTreeMap;

pub const PAGE: &str = "docs/architecture.md";
/// The table begins with the first row after this.
const MARK: &str = "<!-- read by `cargo xtask docs` -->";

/// What to avoid, and what to write instead.
struct Phrase {
    words: Vec<String>,
    instead: String,
    /// A phrase with a capital letter is found in this spelling only.
    exact: bool,
}

/// The places where a phrase occurs, one per line. The texts are given by their
/// path in the repository; the table itself does not count.
pub fn found(texts: &BTreeMap<String, String>) -> Result<Vec<String>, String> {
    let page = texts.get(PAGE).ok_or_else(|| format!("no page {PAGE}"))?;
    let (before, table, after) =
        split(page).ok_or_else(|| format!("{PAGE} has no table after {MARK}"))?;
    let phrases: Vec<_> = table.lines().filter_map(Phrase::read).collect();
    if phrases.is_empty() {
        return Err(format!("{PAGE}: the table of phrases is empty"));
    }
    let rest = before.to_string() + &"\n".repeat(table.lines().count()) + after;
    let text_of = |(path, text)| (path, if path == PAGE { &rest } else { text });
    let mut complaints = Vec::new();
    for (path, text) in texts.iter().map(text_of) {
        let words: Vec<_> = words(text).collect();
        for phrase in &phrases {
            let starts = words.windows(phrase.words.len());
            for hit in starts.filter(|words| phrase.is(words)) {
                let avoid = phrase.words.join(" ");
                let (line, instead) = (hit[0].0, &phrase.instead);
                complaints.push(format!("{path}:{line}: \"{avoid}\": {instead}"));
            }
        }
    }
    Ok(complaints)
}

/// The text before the table, the table and the text after it.
fn split(page: &str) -> Option<(&str, &str, &str)> {
    let mark = page.find(MARK)?;
    let start = mark + page[mark..].find("\n|")? + 1;
    let end = page[start..]
        .find("\n\n")
        .map_or(page.len(), |at| start + at);
    Some((&page[..start], &page[start..end], &page[end..]))
}

impl Phrase {
    /// Reads a row ``| `phrase` | what to write instead |``.
    fn read(row: &str) -> Option<Self> {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let phrase = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        Some(Self {
            words: phrase.split(' ').map(String::from).collect(),
            instead: cells.next()?.into(),
            exact: phrase.contains(char::is_uppercase),
        })
    }

    /// Whether the words are this phrase. Punctuation may surround a phrase, but
    /// not separate its words.
    fn is(&self, words: &[(usize, &str)]) -> bool {
        let last = self.words.len() - 1;
        let is_word = |(number, (phrase, (_, word))): (usize, (&String, &(usize, &str)))| {
            let word = if number == 0 {
                word.trim_start_matches(|char: char| !char.is_alphanumeric())
            } else {
                word
            };
            let word = if number == last {
                word.trim_end_matches(|char: char| !char.is_alphanumeric())
            } else {
                word
            };
            match self.exact {
                true => phrase == word,
                false => phrase.eq_ignore_ascii_case(word),
            }
        };
        self.words.iter().zip(words).enumerate().all(is_word)
    }
}

/// The words of a text with their lines, without the marks of comments: so a
/// phrase is found where a line ends in the middle of it.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let marks = ["//", "///", "//!", "/*", "*", "*/", "#", "\\"];
    text.lines().enumerate().flat_map(move |(number, line)| {
        let words = line
            .split_whitespace()
            .filter(move |word| !marks.contains(word));
        words.map(move |word| (number + 1, word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The complaints about a file, with these rows in the table.
    fn about(rows: &str, text: &str) -> Vec<String> {
        let page =
            format!("# Page\n\nred herring\n\n{MARK}\n\n| a | b |\n|---|---|\n{rows}\n\nEnd\n");
        let texts = [(PAGE, &*page), ("src/a.rs", text)];
        let own = |(path, text): (&str, &str)| (path.into(), text.into());
        found(&texts.into_iter().map(own).collect()).unwrap()
    }

    #[test]
    fn phrases_are_found_as_words() {
        let rows = "| `red herring` | a diversion |\n| `LOUD` | quiet |";
        let in_page = "docs/architecture.md:3: \"red herring\": a diversion";
        for text in [
            "/// A red herring.",
            "(Red herring)",
            "// red\n    // herring",
        ] {
            let hit = "src/a.rs:1: \"red herring\": a diversion";
            assert_eq!(about(rows, text), [in_page, hit], "{text}");
        }
        assert_eq!(about(rows, "\nLOUD")[1], "src/a.rs:2: \"LOUD\": quiet");
        for text in [
            "red. Herring",
            "red herrings",
            "NO_LOUD, loud",
            "redherring",
        ] {
            assert_eq!(about(rows, text), [in_page], "{text}");
        }
    }

    #[test]
    fn a_table_is_needed() {
        for page in ["", MARK, &format!("{MARK}\n\n| a | b |\n\n")] {
            let texts = BTreeMap::from([(PAGE.to_string(), page.to_string())]);
            assert!(found(&texts).is_err(), "{page}");
        }
    }
}
