//! The modules of a crate, what each of them names, and where what it names is defined.

use proc_macro2::{TokenStream, TokenTree};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
};
use syn::visit::{self, Visit};

/// A crate's modules; the first is its root. What only tests see is left out.
pub struct Crate {
    pub modules: Vec<Module>,
    functions: Vec<Function>,
}

/// A function that a type has in a module.
struct Function {
    module: usize,
    of: Meaning,
    /// The name that the type has there.
    owner: String,
    name: String,
}

#[derive(Default)]
pub struct Module {
    pub file: PathBuf,
    pub parent: Option<usize>,
    pub children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    imports: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    /// Types that have functions here, and the names of these.
    impls: Vec<(Vec<String>, Vec<String>)>,
    pub named: Vec<Named>,
    /// Whether something in it waits.
    pub waits: bool,
}

/// A path that stands in a module, or a function that is called on a value.
pub struct Named {
    /// The item it stands in; none for imports.
    pub within: Option<String>,
    pub what: What,
}

pub enum What {
    Path(Vec<String>),
    /// A function, and the type of its value, which is known of `self` alone.
    Method(String, Option<Vec<String>>),
}

impl fmt::Display for What {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(formatter, "`{}`", path.join("::")),
            Self::Method(name, _) => write!(formatter, "`.{name}()`"),
        }
    }
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    Module(usize),
    /// Something that a module defines.
    Item(usize, String),
    /// Something of another crate, or a name that no module defines.
    Outside(Vec<String>),
}

impl Crate {
    /// Reads the modules from this root on.
    pub fn read(root: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Self {
        let mut all = Self {
            modules: Vec::new(),
            functions: Vec::new(),
        };
        let text = read(root).unwrap_or_else(|| panic!("{} is missing", root.display()));
        let file = parse(root, &text);
        all.add(root, None, &file.items, read);
        all.functions = all.functions();
        all
    }

    fn add(
        &mut self,
        file: &Path,
        parent: Option<usize>,
        items: &[syn::Item],
        read: &dyn Fn(&Path) -> Option<String>,
    ) -> usize {
        let here = self.modules.len();
        self.modules.push(Module {
            file: file.to_owned(),
            parent,
            ..Module::default()
        });
        for item in items {
            if is_for_tests(attributes(item)) {
                continue;
            }
            let syn::Item::Mod(module) = item else {
                self.modules[here].take(item);
                continue;
            };
            let name = module.ident.to_string();
            let child = if let Some((_, items)) = &module.content {
                self.add(file, Some(here), items, read)
            } else {
                let (file, text) = [format!("{name}.rs"), format!("{name}/mod.rs")]
                    .iter()
                    .map(|place| folder(file).join(place))
                    .find_map(|file| read(&file).map(|text| (file, text)))
                    .unwrap_or_else(|| panic!("{}: no `{name}`", file.display()));
                let items = parse(&file, &text).items;
                self.add(&file, Some(here), &items, read)
            };
            self.modules[here].children.insert(name, child);
        }
        here
    }

    /// Whether a module is another, or lies below it.
    pub fn is_within(&self, mut module: usize, above: usize) -> bool {
        while module != above {
            let Some(parent) = self.modules[module].parent else {
                return false;
            };
            module = parent;
        }
        true
    }

    /// What is meant by something that stands in a module.
    pub fn meaning(&self, module: usize, what: &What) -> Meaning {
        match what {
            What::Path(path) => {
                let meaning = self.resolve(module, path, 0);
                let function = path.last().filter(|_| path.len() > 1);
                let elsewhere = function.and_then(|name| self.elsewhere(&meaning, name));
                elsewhere.unwrap_or(meaning)
            }
            What::Method(name, Some(of)) => {
                let of = self.resolve(module, of, 0);
                let elsewhere = self.elsewhere(&of, name);
                elsewhere.unwrap_or_else(|| Meaning::Outside(vec![name.clone()]))
            }
            What::Method(name, None) => self.of_some_value(name),
        }
    }

    fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        for (index, module) in self.modules.iter().enumerate() {
            for (of, names) in &module.impls {
                let meaning = self.resolve(index, of, 0);
                functions.extend(names.iter().map(|name| Function {
                    module: index,
                    of: meaning.clone(),
                    owner: of.last().expect("a path has names").clone(),
                    name: name.clone(),
                }));
            }
        }
        functions
    }

    /// Where a type has a function, if that is not the module that defines the type.
    fn elsewhere(&self, of: &Meaning, name: &str) -> Option<Meaning> {
        let Meaning::Item(home, _) = of else {
            return None;
        };
        let mut functions = self.functions.iter();
        let found = functions.find(|function| {
            function.name == name && function.of == *of && function.module != *home
        })?;
        Some(Meaning::Item(found.module, found.owner.clone()))
    }

    /// The same for a value of which the type is not known: the name has to be one that no other
    /// type has, here or in a library, so that single words do not count.
    fn of_some_value(&self, name: &str) -> Meaning {
        let outside = || Meaning::Outside(vec![name.to_owned()]);
        let mut alike = self
            .functions
            .iter()
            .filter(|function| function.name == name);
        match (name.contains('_'), alike.next(), alike.next()) {
            (true, Some(only), None) => self.elsewhere(&only.of, name).unwrap_or_else(outside),
            _ => outside(),
        }
    }

    fn resolve(&self, module: usize, path: &[String], depth: usize) -> Meaning {
        let outside = || Meaning::Outside(path.to_vec());
        // Names that mean each other lead nowhere.
        if depth > 20 {
            return outside();
        }
        let mut here = Meaning::Module(module);
        for (index, name) in path.iter().enumerate() {
            let last = index + 1 == path.len();
            here = match here {
                // What follows an item is its own.
                Meaning::Item(..) => return here,
                Meaning::Outside(mut begun) => {
                    begun.extend_from_slice(&path[index..]);
                    return Meaning::Outside(begun);
                }
                Meaning::Module(at) => match name.as_str() {
                    "crate" => Meaning::Module(0),
                    "self" => Meaning::Module(at),
                    "super" => match self.modules[at].parent {
                        Some(parent) => Meaning::Module(parent),
                        None => return outside(),
                    },
                    name => match self.look_up(at, name, last, depth) {
                        Some(found) => found,
                        None => return outside(),
                    },
                },
            };
        }
        here
    }

    /// A name in a module: a module's where more follows it, another one's before that otherwise.
    fn look_up(&self, at: usize, name: &str, last: bool, depth: usize) -> Option<Meaning> {
        let module = &self.modules[at];
        let child = || module.children.get(name).copied().map(Meaning::Module);
        let item = || {
            let item = module.items.contains(name);
            item.then(|| Meaning::Item(at, name.to_owned()))
        };
        let import = || {
            let path = module.imports.get(name)?;
            Some(self.resolve(at, path, depth + 1))
        };
        let found = if last {
            item().or_else(import).or_else(child)
        } else {
            child().or_else(import).or_else(item)
        };
        found.or_else(|| {
            module.globs.iter().find_map(|glob| {
                let Meaning::Module(from) = self.resolve(at, glob, depth + 1) else {
                    return None;
                };
                let further = from != at && depth <= 20;
                further.then(|| self.look_up(from, name, last, depth + 1))?
            })
        })
    }
}

impl Module {
    fn take(&mut self, item: &syn::Item) {
        let name = name(item);
        if !matches!(item, syn::Item::Impl(_)) {
            self.items.extend(name.clone());
        }
        let mut reader = Reader {
            module: self,
            within: name,
            of: None,
        };
        reader.visit_item(item);
    }
}

/// Walks over an item, and notes what it names.
struct Reader<'a> {
    module: &'a mut Module,
    within: Option<String>,
    /// The type of `self`.
    of: Option<Vec<String>>,
}

impl Reader<'_> {
    fn note(&mut self, what: What) {
        let within = self.within.clone();
        self.module.named.push(Named { within, what });
    }

    fn import(&mut self, tree: &syn::UseTree, mut path: Vec<String>) {
        let (name, end) = match tree {
            syn::UseTree::Path(part) => {
                path.push(part.ident.to_string());
                return self.import(&part.tree, path);
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, path.clone());
                }
                return;
            }
            syn::UseTree::Glob(_) => {
                self.module.globs.push(path.clone());
                return self.note_import(path);
            }
            syn::UseTree::Name(name) => (name.ident.to_string(), name.ident.to_string()),
            syn::UseTree::Rename(name) => (name.rename.to_string(), name.ident.to_string()),
        };
        let name = match (name.as_str(), path.last()) {
            ("self", Some(last)) => last.clone(),
            _ => name,
        };
        if end != "self" {
            path.push(end);
        }
        self.module.imports.insert(name, path.clone());
        self.note_import(path);
    }

    fn note_import(&mut self, path: Vec<String>) {
        self.module.named.push(Named {
            within: None,
            what: What::Path(path),
        });
    }

    /// What a macro is given is not parsed: whatever looks like a path there is one.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is = |at: usize, sign: char| matches!(tokens.get(at), Some(TokenTree::Punct(found)) if found.as_char() == sign);
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(first) => {
                    let of_value = at > 0 && is(at - 1, '.');
                    let mut path = vec![first.to_string()];
                    while is(at + 1, ':')
                        && is(at + 2, ':')
                        && let Some(TokenTree::Ident(next)) = tokens.get(at + 3)
                    {
                        path.push(next.to_string());
                        at += 3;
                    }
                    let called =
                        is(at + 1, '!') || matches!(tokens.get(at + 1), Some(TokenTree::Group(_)));
                    let upper = path[0].starts_with(char::is_uppercase);
                    if path[0] == "await" {
                        self.module.waits = true;
                    } else if of_value && called {
                        let of_self = at > 1
                            && matches!(&tokens[at - 2], TokenTree::Ident(of) if of == "self");
                        let of = self.of.clone().filter(|_| of_self);
                        self.note(What::Method(path.remove(0), of));
                    } else if !of_value && (path.len() > 1 || called || upper) {
                        self.note(What::Path(path));
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&item.tree, Vec::new());
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if let syn::Type::Path(of) = &*item.self_ty {
            let of = segments(&of.path);
            let functions = item.items.iter().filter_map(|item| match item {
                syn::ImplItem::Fn(function) => Some(function.sig.ident.to_string()),
                _ => None,
            });
            if item.trait_.is_none() {
                self.module.impls.push((of.clone(), functions.collect()));
            }
            self.of = Some(of);
        }
        visit::visit_item_impl(self, item);
        self.of = None;
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut names = segments(path);
        if let (Some(of), "Self") = (&self.of, names[0].as_str()) {
            names.splice(..1, of.iter().cloned());
        }
        self.note(What::Path(names));
        visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let of_self = matches!(&*call.receiver, syn::Expr::Path(of) if of.path.is_ident("self"));
        let of = self.of.clone().filter(|_| of_self);
        self.note(What::Method(call.method.to_string(), of));
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    fn visit_expr_await(&mut self, wait: &'ast syn::ExprAwait) {
        self.module.waits = true;
        visit::visit_expr_await(self, wait);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.module.waits |= signature.asyncness.is_some();
        visit::visit_signature(self, signature);
    }

    /// Attributes are for tools, but for the functions that some of them name: `with = "a::b"`.
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            for token in list.tokens.clone() {
                if let TokenTree::Literal(text) = token
                    && let Ok(text) = syn::parse_str::<syn::LitStr>(&text.to_string())
                    && let Ok(path) = text.parse::<syn::Path>()
                {
                    self.note(What::Path(segments(&path)));
                }
            }
        }
    }

    // What only tests see, within an item.
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast syn::Stmt) {
        let attributes = match statement {
            syn::Stmt::Local(local) => &local.attrs[..],
            syn::Stmt::Macro(call) => &call.attrs[..],
            _ => &[],
        };
        if !is_for_tests(attributes) {
            visit::visit_stmt(self, statement);
        }
    }
}

fn parse(file: &Path, text: &str) -> syn::File {
    syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Where the files of a module's children lie.
fn folder(file: &Path) -> PathBuf {
    match file.file_name().and_then(|name| name.to_str()) {
        Some("lib.rs" | "main.rs" | "mod.rs") => file.with_file_name(""),
        _ => file.with_extension(""),
    }
}

fn segments(path: &syn::Path) -> Vec<String> {
    let segments = path.segments.iter();
    segments.map(|part| part.ident.to_string()).collect()
}

/// Whether `cfg` names tests, or what drives them.
fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else {
            return false;
        };
        let said = list.tokens.to_string();
        let said = said.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        let mut said = said.filter(|word| ["test", "fuzzing", "not"].contains(word));
        list.path.is_ident("cfg") && said.next().is_some_and(|word| word != "not")
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    use syn::Item::{
        Const, Enum, ExternCrate, Fn, Impl, Macro, Mod, Static, Struct, Trait, Type, Union, Use,
    };
    match item {
        Const(item) => &item.attrs,
        Enum(item) => &item.attrs,
        ExternCrate(item) => &item.attrs,
        Fn(item) => &item.attrs,
        Impl(item) => &item.attrs,
        Macro(item) => &item.attrs,
        Mod(item) => &item.attrs,
        Static(item) => &item.attrs,
        Struct(item) => &item.attrs,
        Trait(item) => &item.attrs,
        Type(item) => &item.attrs,
        Union(item) => &item.attrs,
        Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The name that an item has; what an `impl` is for.
fn name(item: &syn::Item) -> Option<String> {
    use syn::Item::{Const, Enum, Fn, Impl, Macro, Static, Struct, Trait, Type, Union};
    let ident = match item {
        Const(item) => &item.ident,
        Enum(item) => &item.ident,
        Fn(item) => &item.sig.ident,
        Static(item) => &item.ident,
        Struct(item) => &item.ident,
        Trait(item) => &item.ident,
        Type(item) => &item.ident,
        Union(item) => &item.ident,
        Macro(item) => item.ident.as_ref()?,
        Impl(item) => match &*item.self_ty {
            syn::Type::Path(of) => &of.path.segments.last()?.ident,
            _ => return None,
        },
        _ => return None,
    };
    Some(ident.to_string())
}
