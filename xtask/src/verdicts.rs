//! What a system under test prints on its console, and what it must print.

/// The words of a kernel or a hypervisor.
pub struct System {
    /// When something is wrong with it.
    pub complaints: &'static [&'static str],
    /// When it stops because the library was misused, in this order.
    pub misuse: [&'static str; 2],
}

/// The verdict before the library is misused on purpose; what follows is how the
/// task ends.
const MISUSE: &str = "hyaline misuse-next";

impl System {
    /// The first complaint in a text.
    pub fn complaint<'a>(&self, text: &'a str) -> Option<&'a str> {
        text.lines()
            .find(|line| self.complaints.iter().any(|words| line.contains(words)))
    }

    /// Checks that each of these verdicts is there and that none is FAIL, and that the
    /// system has no complaint. With a misuse at the end, that it was stopped.
    pub fn judge(&self, console: &str, expected: &[String]) -> Result<(), String> {
        let misuse = format!("hyaline: PASS {MISUSE}");
        let (before, after) = match console.split_once(&misuse) {
            Some((before, after)) => (before, Some(after)),
            None => (console, None),
        };
        let mut wrong: Vec<String> = before
            .lines()
            .filter(|line| line.contains("hyaline: FAIL") || self.complaint(line).is_some())
            .map(String::from)
            .collect();
        let passed: Vec<&str> = console
            .lines()
            .filter_map(|line| Some(line.split_once("hyaline: PASS ")?.1.trim()))
            .collect();
        for name in expected {
            if !passed.contains(&name.as_str()) {
                wrong.push(format!("there is no verdict: {name}"));
            }
        }
        if let Some(after) = after {
            let mut rest = after;
            for stop in self.misuse {
                match rest.split_once(stop) {
                    Some((_, next)) => rest = next,
                    None => wrong.push(format!("misuse did not stop it: no '{stop}'")),
                }
            }
            let went_on = after.lines().find(|line| line.contains("hyaline: FAIL"));
            wrong.extend(went_on.map(String::from));
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(wrong.join("\n"))
        }
    }
}

/// The last lines.
pub fn last(console: &str) -> String {
    let lines: Vec<&str> = console.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// Prints the console, or what is ours in it.
pub fn said(console: &str, all: bool) {
    for line in console.lines() {
        if all || line.contains("hyaline: ") && !line.contains(" PASS ") {
            println!("  {line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::System;

    const GOOD: &str = "[ 1.0] hyaline: PASS hyaline work\n\
        [ 2.0] hyaline: PASS hyaline misuse-next\n\
        [ 2.1] hyaline: panic: the token belongs to another collector\n\
        [ 2.2] kernel BUG at hooks.h:18!\n\
        [ 2.3] hyaline: PASS hyaline misuse\n";

    const SYSTEM: System = System {
        complaints: &["WARNING:", "BUG:"],
        misuse: ["hyaline: panic: the token", "kernel BUG at"],
    };

    fn judged(console: &str) -> Result<(), String> {
        SYSTEM.judge(
            console,
            &["hyaline work", "hyaline misuse-next", "hyaline misuse"].map(String::from),
        )
    }

    #[test]
    fn only_explicit_verdicts_pass() {
        assert_eq!(judged(GOOD), Ok(()));
        for line in [
            "PASS hyaline work",
            "panic: the token",
            "kernel BUG",
            "PASS hyaline misuse\n",
        ] {
            assert!(judged(&GOOD.replace(line, "")).is_err(), "{line}");
        }
        assert!(judged("").is_err());
        let renamed = GOOD.replace("PASS hyaline work", "PASS hyaline workers");
        assert!(judged(&renamed).is_err());
    }

    #[test]
    fn failures_and_complaints_fail() {
        for line in [
            "hyaline: FAIL test.c:1: x",
            "WARNING: CPU: 0",
            "BUG: unable",
        ] {
            assert!(judged(&format!("{line}\n{GOOD}")).is_err(), "{line}");
        }
        assert!(judged(&format!("{GOOD}hyaline: FAIL hyaline misuse\n")).is_err());
    }
}
