//! Why rows are lost, and what was tried: `why.md`, which is not generated.
//!
//! It has a numbered list. Below each cause, in comments that the page does not have, are
//! the rows that it is the cause of, as the first three columns of the page's table name
//! them.

/// What the page has.
pub struct Why {
    /// The text before the list.
    preface: String,
    /// In their order.
    causes: Vec<Cause>,
}

struct Cause {
    text: String,
    rows: Vec<String>,
}

const ROWS: (&str, &str) = ("<!-- ", " -->");

impl Why {
    /// Those of the page.
    pub fn of_the_page() -> Self {
        Self::read(include_str!("why.md"))
    }

    pub fn read(text: &str) -> Self {
        let (mut preface, mut causes) = (String::new(), Vec::<Cause>::new());
        for line in text.lines() {
            let begin = format!("{}. ", causes.len() + 1);
            if line.starts_with(&begin) {
                causes.push(Cause {
                    text: String::new(),
                    rows: Vec::new(),
                });
            }
            let Some(cause) = causes.last_mut() else {
                preface += &format!("{line}\n");
                continue;
            };
            match (line.strip_prefix(ROWS.0)).and_then(|line| line.strip_suffix(ROWS.1)) {
                Some(row) => cause.rows.push(row.into()),
                None => cause.text += &format!("{line}\n"),
            }
        }
        Self { preface, causes }
    }

    /// All but the comments.
    pub fn text(&self) -> String {
        let causes = self.causes.iter().map(|cause| cause.text.trim_end());
        self.preface.clone() + &causes.collect::<Vec<_>>().join("\n")
    }

    /// The numbers of a row's causes; a question mark if it has none.
    pub fn of(&self, row: &str) -> String {
        let has = |cause: &Cause| cause.rows.iter().any(|its| its == row);
        let numbers = (1..).zip(&self.causes).filter(|(_, cause)| has(cause));
        let numbers: Vec<String> = numbers.map(|(number, _)| number.to_string()).collect();
        match numbers.is_empty() {
            true => "?".into(),
            false => numbers.join(", "),
        }
    }

    /// Rows that are lost without a cause, rows of a cause that are not lost, causes
    /// without a row.
    pub fn complaints(&self, lost: &[String]) -> Vec<String> {
        let without = lost.iter().filter(|row| self.of(row) == "?");
        let mut all: Vec<String> = without
            .map(|row| format!("{row}: lost, and why.md has no cause"))
            .collect();
        for (number, cause) in (1..).zip(&self.causes) {
            let won = cause.rows.iter().filter(|row| !lost.contains(row));
            all.extend(won.map(|row| format!("cause {number}, {row}: not lost")));
            if cause.rows.is_empty() {
                all.push(format!("cause {number} has no row"));
            }
        }
        all
    }
}

/// What is wrong with the causes of a page's rows, without counting them again.
#[cfg(test)]
fn check(page: &str, why: &Why) -> Vec<String> {
    let table = page
        .split("## Rows that are lost")
        .nth(1)
        .unwrap_or_default();
    let table = table.split("\n## ").next().unwrap_or_default();
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut lost = Vec::new();
    let mut all = Vec::new();
    for line in rows {
        let columns: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let row = columns.get(..3).unwrap_or_default().join(" | ");
        if columns.last() != Some(&why.of(&row).as_str()) {
            all.push(format!("{row}: the page has another cause"));
        }
        lost.push(row);
    }
    all.extend(why.complaints(&lost));
    if !table.contains(&why.text()) {
        all.push("the page has another text".into());
    }
    all
}

#[test]
fn the_page_says_why() {
    let page =
        std::fs::read_to_string(crate::shell::root().join(super::PAGE)).expect("there is a page");
    let wrong = check(&page, &Why::of_the_page());
    assert!(
        wrong.is_empty(),
        "the page and why.md:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn a_row_without_a_cause_and_a_cause_without_a_row_are_told() {
    let why = Why::read(
        "Both.\n\n1. One.\n<!-- a | 2 | ns -->\n2. Two.\n   - Tried.\n\
         <!-- a | 2 | ns -->\n<!-- b | 2 | ns -->\n3. Three.\n",
    );
    assert_eq!(
        why.text(),
        "Both.\n\n1. One.\n2. Two.\n   - Tried.\n3. Three."
    );
    assert_eq!(
        (why.of("a | 2 | ns"), why.of("c | 2 | ns")),
        ("1, 2".into(), "?".into())
    );
    let lost = ["a | 2 | ns", "c | 2 | ns"].map(String::from);
    let wrong = [
        "c | 2 | ns: lost, and why.md has no cause",
        "cause 2, b | 2 | ns: not lost",
        "cause 3 has no row",
    ];
    assert_eq!(why.complaints(&lost), wrong);
    let page = format!(
        "## Rows that are lost\n\n| row |\n|---|\n| a | 2 | ns | x | 1 |\n| c | 2 | ns | x | ? |\n\n{}\n\n## a\n| no |",
        why.text()
    );
    let told = ["a | 2 | ns: the page has another cause"];
    assert_eq!(check(&page, &why), [&told[..], &wrong].concat());
    let other = page.replace("Tried", "Not tried");
    assert_eq!(
        check(&other, &why).last().map(String::as_str),
        Some("the page has another text")
    );
}
