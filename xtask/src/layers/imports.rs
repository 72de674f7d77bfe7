//! Which file of a crate uses which other one, read from its text.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use syn::{Item, ItemMod};

use super::reader::{Names, Used, for_tests, path_attribute};

/// The text of each file, by its path in `src` without `.rs`.
pub type Sources = BTreeMap<String, String>;

/// One file uses what another one defines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    pub from: String,
    pub to: String,
    /// How `from` names it: a path, or a method.
    pub name: String,
}

/// The imports of a crate, and the files that are compiled for tests only.
pub struct Imports {
    pub all: BTreeSet<Import>,
    pub tests: BTreeSet<String>,
}

/// Reads a crate from its `lib`.
pub fn read(sources: &Sources) -> Result<Imports, String> {
    let mut krate = Crate::default();
    krate.modules.push(Module::default());
    krate.read_file(sources, "lib", 0)?;
    let mut all = BTreeSet::new();
    for (module, here) in krate.modules.iter().enumerate() {
        for used in &here.names.uses {
            let (name, files) = match used {
                Used::Path(path) => (path.join("::"), krate.files_of(module, path)),
                Used::Method(name) => (format!(".{name}()"), krate.extension(name)),
            };
            let (from, others) = (&here.file, files.into_iter().filter(|to| *to != here.file));
            all.extend(others.map(|to| Import {
                from: from.clone(),
                to,
                name: name.clone(),
            }));
        }
    }
    Ok(Imports {
        all,
        tests: krate.tests,
    })
}

#[derive(Default)]
struct Crate {
    /// The first one is the root.
    modules: Vec<Module>,
    /// The files of macros that are exported.
    macros: HashMap<String, String>,
    tests: BTreeSet<String>,
}

#[derive(Default)]
struct Module {
    file: String,
    parent: usize,
    /// More than one where `cfg` chooses.
    children: HashMap<String, Vec<usize>>,
    names: Names,
}

impl Crate {
    fn read_file(&mut self, sources: &Sources, file: &str, module: usize) -> Result<(), String> {
        let text = sources
            .get(file)
            .ok_or_else(|| format!("src/{file}.rs is declared and not there"))?;
        let parsed = syn::parse_file(text).map_err(|error| format!("src/{file}.rs: {error}"))?;
        self.modules[module].file = file.into();
        self.read_items(sources, &parsed.items, module)
    }

    fn read_items(
        &mut self,
        sources: &Sources,
        items: &[Item],
        module: usize,
    ) -> Result<(), String> {
        for item in items {
            if let Item::Mod(inner) = item {
                self.read_module(sources, inner, module)?;
                continue;
            }
            self.modules[module].names.read(item);
        }
        let here = &self.modules[module];
        for name in &here.names.exported {
            self.macros.insert(name.clone(), here.file.clone());
        }
        Ok(())
    }

    fn read_module(
        &mut self,
        sources: &Sources,
        inner: &ItemMod,
        parent: usize,
    ) -> Result<(), String> {
        let name = inner.ident.to_string();
        let file = self.modules[parent].file.clone();
        let outside = match path_attribute(&inner.attrs) {
            // Relative to the folder that the file is in.
            Some(path) => match file.rsplit_once('/') {
                Some((folder, _)) => format!("{folder}/{path}"),
                None => path,
            },
            None if file == "lib" => name.clone(),
            None => format!("{file}/{name}"),
        };
        if for_tests(&inner.attrs) {
            if inner.content.is_none() {
                self.tests.insert(outside);
            }
            return Ok(());
        }
        let child = self.modules.len();
        self.modules.push(Module {
            file: file.clone(),
            parent,
            ..Module::default()
        });
        self.modules[parent]
            .children
            .entry(name)
            .or_default()
            .push(child);
        match &inner.content {
            Some((_, items)) => self.read_items(sources, items, child),
            None => self.read_file(sources, &outside, child),
        }
    }

    fn files_of(&self, module: usize, path: &[String]) -> BTreeSet<String> {
        let mut files = BTreeSet::new();
        // A single name is not a module: a variable may have its name.
        let children = &self.modules[module].children;
        if path.len() > 1 || path.iter().all(|name| !children.contains_key(name)) {
            self.resolve(module, path, &mut files, 0);
        }
        files
    }

    /// The file of a method, if no other method has this name and its type is
    /// in another file: methods in a type's own file come with the type. If a
    /// name is shared, the text does not tell which one is meant.
    fn extension(&self, name: &str) -> BTreeSet<String> {
        let mut named = Vec::new();
        for (module, here) in self.modules.iter().enumerate() {
            let methods = here.names.methods.iter();
            let methods = methods.filter(|method| method.name == name);
            named.extend(methods.map(|method| (module, method)));
        }
        let [(module, method)] = named[..] else {
            return BTreeSet::new();
        };
        let mut of = BTreeSet::new();
        if let Some(path) = &method.of {
            self.resolve(module, path, &mut of, 0);
        }
        let file = &self.modules[module].file;
        let elsewhere = !of.is_empty() && !of.contains(file);
        elsewhere.then(|| file.clone()).into_iter().collect()
    }

    /// The files that define what a path in a module names; none if it is
    /// another crate's. `pub use` is followed to the end.
    fn resolve(&self, module: usize, path: &[String], files: &mut BTreeSet<String>, depth: usize) {
        // Two globs may lead to each other.
        if depth > 20 {
            return;
        }
        let here = &self.modules[module];
        let Some((first, rest)) = path.split_first() else {
            files.insert(here.file.clone());
            return;
        };
        match first.as_str() {
            "crate" => return self.resolve(0, rest, files, depth + 1),
            "self" => return self.resolve(module, rest, files, depth + 1),
            "super" => return self.resolve(here.parent, rest, files, depth + 1),
            _ => {}
        }
        if let Some(children) = here.children.get(first) {
            for child in children {
                self.resolve(*child, rest, files, depth + 1);
            }
        } else if here.names.items.contains(first) {
            files.insert(here.file.clone());
        } else if let Some(file) = self.macros.get(first).filter(|_| module == 0) {
            files.insert(file.clone());
        } else if let Some(alias) = here.names.aliases.get(first) {
            let path: Vec<String> = alias.iter().chain(rest).cloned().collect();
            // `use a::b as a` would lead to itself; what it means is a crate.
            if alias.first() != Some(first) {
                self.resolve(module, &path, files, depth + 1);
            }
        } else {
            for glob in &here.names.globs {
                let path: Vec<String> = glob.iter().chain(path).cloned().collect();
                self.resolve(module, &path, files, depth + 1);
            }
        }
    }
}
