//! The names in the text of one module, without its nested modules.

use std::collections::{HashMap, HashSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, ImplItem, Item, ItemMacro, Meta, TraitItem, UseTree, punctuated::Punctuated,
    visit::Visit,
};

/// What a module defines, and what it uses.
#[derive(Default)]
pub struct Names {
    pub items: HashSet<String>,
    /// Macros that the crate defines.
    pub exported: Vec<String>,
    /// Names that `use` brings in.
    pub aliases: HashMap<String, Vec<String>>,
    pub globs: Vec<Vec<String>>,
    pub methods: Vec<Method>,
    pub uses: Vec<Used>,
}

pub struct Method {
    pub name: String,
    /// The type of an `impl` without a trait.
    pub of: Option<Vec<String>>,
}

/// A name as it is in the text.
pub enum Used {
    Path(Vec<String>),
    Method(String),
}

impl Names {
    /// Reads one item that is not a module.
    pub fn read(&mut self, item: &Item) {
        self.visit_item(item);
    }

    /// `pub(crate)` in a macro's input names nothing.
    fn path(&mut self, path: Vec<String>) {
        let keywords = ["crate", "self", "super"];
        if !matches!(path.as_slice(), [only] if keywords.contains(&only.as_str())) {
            self.uses.push(Used::Path(path));
        }
    }

    fn call(&mut self, name: String) {
        self.uses.push(Used::Method(name));
    }

    fn tree(&mut self, tree: &UseTree, prefix: &[String], exported: bool) {
        let with = |name: &syn::Ident| {
            let mut path = prefix.to_vec();
            // `a::{self}` is `a`.
            if name != "self" || path.is_empty() {
                path.push(name.to_string());
            }
            path
        };
        match tree {
            UseTree::Path(tree) => self.tree(&tree.tree, &with(&tree.ident), exported),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, prefix, exported);
                }
            }
            UseTree::Name(name) => {
                let path = with(&name.ident);
                self.alias(path.last().cloned(), path, exported);
            }
            UseTree::Rename(rename) => {
                self.alias(
                    Some(rename.rename.to_string()),
                    with(&rename.ident),
                    exported,
                );
            }
            UseTree::Glob(_) => {
                self.globs.push(prefix.to_vec());
                if !exported {
                    self.path(prefix.to_vec());
                }
            }
        }
    }

    fn alias(&mut self, name: Option<String>, path: Vec<String>, exported: bool) {
        let Some(name) = name else { return };
        if !exported {
            self.path(path.clone());
        }
        // `use {name}` of something defined here, a macro.
        if path.len() > 1 {
            self.aliases.insert(name, path);
        }
    }

    /// The paths and calls in a macro's input.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path = Vec::new();
        let mut colons = 0;
        let mut dot = false;
        for token in tokens {
            match token {
                TokenTree::Ident(name) if dot => {
                    self.call(name.to_string());
                    (dot, colons) = (false, 0);
                }
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.path(std::mem::take(&mut path));
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) => {
                    (colons, dot) = match mark.as_char() {
                        ':' => (colons + 1, false),
                        '.' => (0, true),
                        _ => (0, false),
                    };
                }
                TokenTree::Group(group) => {
                    self.path(std::mem::take(&mut path));
                    (colons, dot) = (0, false);
                    self.tokens(group.stream());
                }
                TokenTree::Literal(_) => (colons, dot) = (0, false),
            }
        }
        self.path(path);
    }
}

impl<'ast> Visit<'ast> for Names {
    /// Links in doc comments are not imports.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    /// Neither is `pub(super)`.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name): (&[Attribute], _) = match item {
            Item::Const(item) => (&item.attrs, Some(&item.ident)),
            Item::Enum(item) => (&item.attrs, Some(&item.ident)),
            Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            Item::Static(item) => (&item.attrs, Some(&item.ident)),
            Item::Struct(item) => (&item.attrs, Some(&item.ident)),
            Item::Trait(item) => (&item.attrs, Some(&item.ident)),
            Item::Type(item) => (&item.attrs, Some(&item.ident)),
            Item::Union(item) => (&item.attrs, Some(&item.ident)),
            Item::Impl(item) => (&item.attrs, None),
            Item::Use(item) => (&item.attrs, None),
            Item::Macro(item) => (&item.attrs, None),
            _ => (&[], None),
        };
        if for_tests(attributes) {
            return;
        }
        // `const _`, and what is in a function, too: no other file can name it.
        if let Some(name) = name {
            self.items.insert(name.to_string());
        }
        match item {
            Item::Use(item) => {
                let exported = !matches!(item.vis, syn::Visibility::Inherited);
                self.tree(&item.tree, &[], exported);
            }
            Item::Macro(item) => self.macro_item(item),
            _ => syn::visit::visit_item(self, item),
        }
        match item {
            // Of `impl Trait for`, the trait's file is the one that counts.
            Item::Impl(inherent) if inherent.trait_.is_none() => {
                let of = match &*inherent.self_ty {
                    syn::Type::Path(of) => Some(segments(&of.path)),
                    _ => None,
                };
                for item in &inherent.items {
                    if let ImplItem::Fn(item) = item {
                        let (name, of) = (item.sig.ident.to_string(), of.clone());
                        self.methods.push(Method { name, of });
                    }
                }
            }
            Item::Trait(item) => {
                for item in &item.items {
                    if let TraitItem::Fn(item) = item {
                        let name = item.sig.ident.to_string();
                        self.methods.push(Method { name, of: None });
                    }
                }
            }
            _ => {}
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.path(segments(path));
        if let Some(last) = path.segments.last()
            && path.segments.len() > 1
        {
            self.call(last.ident.to_string());
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.call(call.method.to_string());
        syn::visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }
}

impl Names {
    fn macro_item(&mut self, item: &ItemMacro) {
        if let Some(name) = &item.ident {
            self.items.insert(name.to_string());
            let exported = |attribute: &Attribute| attribute.path().is_ident("macro_export");
            if item.attrs.iter().any(exported) {
                self.exported.push(name.to_string());
            }
        }
        self.visit_macro(&item.mac);
    }
}

fn segments(path: &syn::Path) -> Vec<String> {
    let names = path.segments.iter().map(|part| part.ident.to_string());
    names.collect()
}

/// Whether `cfg` leaves an item out of all builds but tests.
pub fn for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<Meta>().is_ok_and(needs_test)
    })
}

fn needs_test(condition: Meta) -> bool {
    match condition {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<Meta, syn::Token![,]>::parse_terminated)
            .is_ok_and(|parts| parts.into_iter().any(needs_test)),
        _ => false,
    }
}

/// The file that `#[path]` names, without `.rs`.
pub fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| {
        let Meta::NameValue(pair) = &attribute.meta else {
            return None;
        };
        match &pair.value {
            syn::Expr::Lit(syn::ExprLit {
                lit: syn::Lit::Str(path),
                ..
            }) if pair.path.is_ident("path") => Some(path.value().strip_suffix(".rs")?.into()),
            _ => None,
        }
    })
}
