//! The same script for a solver that knows arrays and not cvc5's finite sets.
//!
//! A set becomes an array from its elements to truth. Arrays may hold infinitely many elements and
//! sets may not, so what is unsatisfiable over arrays is so over sets; the other way round it is a
//! second opinion, and a difference is an error.

/// An s-expression.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sexp {
    Atom(String),
    List(Vec<Self>),
}

/// The script with every set rewritten; `None` when it is not balanced.
#[must_use]
pub fn over_arrays(script: &str) -> Option<String> {
    let mut out = String::with_capacity(script.len());
    for command in read_all(script)? {
        if !is_option(&command) {
            rewrite(&command).print(&mut out);
            out.push('\n');
        }
    }
    Some(out)
}

/// Options are cvc5's own.
fn is_option(command: &Sexp) -> bool {
    let Sexp::List(items) = command else { return false };
    items.first() == Some(&atom("set-option"))
}

fn atom(text: &str) -> Sexp {
    Sexp::Atom(text.to_owned())
}

fn list(items: impl IntoIterator<Item = Sexp>) -> Sexp {
    Sexp::List(items.into_iter().collect())
}

/// An operation of the elements' truths, applied to whole arrays.
fn mapped(operation: &str, arguments: impl IntoIterator<Item = Sexp>) -> Sexp {
    let map = list([atom("_"), atom("map"), atom(operation)]);
    list(core::iter::once(map).chain(arguments))
}

fn rewrite(expression: &Sexp) -> Sexp {
    let Sexp::List(items) = expression else { return expression.clone() };
    let head = match items.first() {
        Some(Sexp::Atom(head)) => head.as_str(),
        Some(Sexp::List(_)) | None => "",
    };
    match (head, items.get(1..).unwrap_or_default()) {
        ("Set", [element]) => list([atom("Array"), rewrite(element), atom("Bool")]),
        ("as", [Sexp::Atom(empty), kind]) if empty == "set.empty" => {
            list([list([atom("as"), atom("const"), rewrite(kind)]), atom("false")])
        }
        ("set.insert", [elements @ .., set]) => elements
            .iter()
            .fold(rewrite(set), |set, one| list([atom("store"), set, rewrite(one), atom("true")])),
        ("set.member", [element, set]) => list([atom("select"), rewrite(set), rewrite(element)]),
        ("set.subset", [small, large]) => {
            let small = rewrite(small);
            let both = mapped("and", [small.clone(), rewrite(large)]);
            list([atom("="), both, small])
        }
        ("set.inter", [left, right]) => mapped("and", [rewrite(left), rewrite(right)]),
        _ => Sexp::List(items.iter().map(rewrite).collect()),
    }
}

impl Sexp {
    fn print(&self, out: &mut String) {
        match self {
            Self::Atom(text) => out.push_str(text),
            Self::List(items) => {
                out.push('(');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(' ');
                    }
                    item.print(out);
                }
                out.push(')');
            }
        }
    }
}

/// Atoms and brackets; comments left out. Strings (`"` doubled inside) and `|symbols|` are atoms.
fn tokens(text: &str) -> Option<Vec<String>> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            ';' => while rest.next().is_some_and(|c| c != '\n') {},
            '(' | ')' => tokens.push(next.to_string()),
            '|' => {
                let mut symbol = String::from('|');
                loop {
                    let c = rest.next()?;
                    symbol.push(c);
                    if c == '|' {
                        break;
                    }
                }
                tokens.push(symbol);
            }
            '"' => {
                let mut string = String::from('"');
                loop {
                    let c = rest.next()?;
                    string.push(c);
                    if c == '"' {
                        if rest.peek() != Some(&'"') {
                            break;
                        }
                        string.extend(rest.next());
                    }
                }
                tokens.push(string);
            }
            c if c.is_whitespace() => {}
            c => {
                let mut word = String::from(c);
                while let Some(more) =
                    rest.next_if(|c| !c.is_whitespace() && !"()\";|".contains(*c))
                {
                    word.push(more);
                }
                tokens.push(word);
            }
        }
    }
    Some(tokens)
}

fn read_all(text: &str) -> Option<Vec<Sexp>> {
    let mut open: Vec<Vec<Sexp>> = vec![Vec::new()];
    for token in tokens(text)? {
        match token.as_str() {
            "(" => open.push(Vec::new()),
            ")" => {
                let done = Sexp::List(open.pop()?);
                open.last_mut()?.push(done);
            }
            _ => open.last_mut()?.push(Sexp::Atom(token)),
        }
    }
    let all = open.pop()?;
    open.is_empty().then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> String {
        over_arrays(text).unwrap().trim_end().to_owned()
    }

    #[test]
    fn sets_become_arrays_and_nothing_else_changes() {
        let table = [
            ("(declare-const s (Set String))", "(declare-const s (Array String Bool))"),
            ("(as set.empty (Set Int))", "((as const (Array Int Bool)) false)"),
            ("(set.insert a b s)", "(store (store s a true) b true)"),
            ("(set.member \"x\" s)", "(select s \"x\")"),
            ("(set.subset a b)", "(= ((_ map and) a b) a)"),
            ("(set.inter a (set.inter b c))", "((_ map and) a ((_ map and) b c))"),
            ("(assert (bvsle t1 t2)) ; a comment (", "(assert (bvsle t1 t2))"),
            ("(a |b (c| \"d \"\"(\" )", "(a |b (c| \"d \"\"(\")"),
            ("(set-option :produce-models true)", ""),
        ];
        for (before, after) in table {
            assert_eq!(one(before), after);
        }
    }

    #[test]
    fn what_is_not_balanced_is_refused() {
        for text in ["(", ")", "(a \"b)", "(a |b)"] {
            assert_eq!(over_arrays(text), None, "{text}");
        }
    }
}
