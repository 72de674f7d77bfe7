//! The arguments of most commands: flags without a value, and names of rows.

use lexopt::{Arg, Parser};

/// Whether each flag is given, as `--flag` or by its first letter.
pub fn flags<const N: usize>(parser: Parser, flags: [&str; N]) -> Result<[bool; N], String> {
    match read(parser, flags)? {
        (given, names) if names.is_empty() => Ok(given),
        (_, names) => Err(format!("unexpected argument {:?}", names[0])),
    }
}

/// The same, and the names, which are among those that are known.
pub fn flags_and_names<'a, const N: usize>(
    parser: Parser,
    flags: [&str; N],
    known: impl IntoIterator<Item = &'a str>,
) -> Result<([bool; N], Names), String> {
    let (given, names) = read(parser, flags)?;
    let mut known: Vec<_> = known.into_iter().collect();
    known.dedup();
    match names.iter().find(|name| !known.contains(&&***name)) {
        Some(name) => Err(format!("no {name}; there is: {}", known.join(", "))),
        None => Ok((given, Names(names))),
    }
}

/// The rows that are chosen: those that are named, or all.
pub struct Names(Vec<String>);

impl Names {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn choose(&self, name: &str) -> bool {
        self.is_empty() || self.0.iter().any(|one| one == name)
    }
}

fn read<const N: usize>(
    mut parser: Parser,
    flags: [&str; N],
) -> Result<([bool; N], Vec<String>), String> {
    let (mut given, mut names) = ([false; N], Vec::new());
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let flag = match argument {
            Arg::Long(name) => flags.iter().position(|flag| *flag == name),
            Arg::Short(letter) => flags.iter().position(|flag| flag.starts_with(letter)),
            Arg::Value(ref name) => {
                names.push(name.to_string_lossy().into_owned());
                continue;
            }
        };
        match flag {
            Some(flag) => given[flag] = true,
            None => return Err(argument.unexpected().to_string()),
        }
    }
    Ok((given, names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_found_and_what_is_unknown_refused() {
        let given = |arguments: &[&str]| {
            let parser = Parser::from_args(arguments);
            let (flags, names) = flags_and_names(parser, ["list", "verbose"], ["a", "b"])?;
            Ok::<_, String>((flags, names.0))
        };
        let of = |names: &[&str]| {
            names
                .iter()
                .map(|name| name.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(given(&[]), Ok(([false, false], of(&[]))));
        assert_eq!(
            given(&["-v", "b", "--list"]),
            Ok(([true, true], of(&["b"])))
        );
        assert_eq!(given(&["c"]), Err("no c; there is: a, b".into()));
        for unknown in ["--lists", "-x", "--list=1"] {
            assert!(given(&[unknown]).is_err(), "{unknown}");
        }
        assert!(flags(Parser::from_args(["a"]), ["list"]).is_err());
    }

    #[test]
    fn no_name_chooses_all() {
        assert!(Names(Vec::new()).choose("a"));
        let one = Names(vec!["a".into()]);
        assert!(one.choose("a") && !one.choose("b"));
    }
}
