//! Keywords that combine schemas. Each kind of value, and each listed value, is
//! looked at by itself, so that `string or null` finds its branches.

use serde_json::{Map, Value};

use super::{Place, Problem, Reader, Verdict};
use crate::check::shape::Shape;

impl Reader<'_> {
    /// What is said of a schema of all values of a shape.
    fn verdict(&self, shape: &Shape, schema: &Value, place: &Place) -> (Verdict, Vec<Problem>) {
        let problems = self.check(shape, schema, &place.deeper());
        (Verdict::of(problems.is_empty(), problems.iter().any(|p| p.sure)), problems)
    }

    /// `anyOf` and `oneOf`.
    pub(super) fn branches(
        &self,
        shape: &Shape,
        keyword: &str,
        branches: &[Value],
        place: &Place,
    ) -> Vec<Problem> {
        let mut all_sure = true;
        let mut nearest: Option<String> = None;
        for piece in shape.pieces() {
            let verdicts: Vec<_> =
                branches.iter().map(|branch| self.verdict(&piece, branch, place)).collect();
            let count = |wanted| verdicts.iter().filter(|(verdict, _)| *verdict == wanted).count();
            let (fit, unfit) = (count(Verdict::Always), count(Verdict::Never));
            let one = keyword == "oneOf";
            if fit == 1 && unfit + 1 == branches.len() || fit > 0 && !one {
                all_sure = false;
                continue;
            }
            let sure = unfit == branches.len() || one && fit > 1;
            all_sure &= sure;
            nearest.get_or_insert_with(|| match fit {
                0 => said(place, verdicts.into_iter().map(|(_, problems)| problems)),
                1 => "it may fit another branch as well".to_owned(),
                _ => format!("it fits {fit} branches"),
            });
        }
        let Some(nearest) = nearest else { return Vec::new() };
        let be = if all_sure { "is" } else { "may be" };
        let how = if keyword == "oneOf" { "exactly one" } else { "any" };
        let detail = format!("{be} not of {how} branch of `{keyword}`: {nearest}");
        vec![place.problem(keyword, all_sure, detail)]
    }

    pub(super) fn not(&self, shape: &Shape, schema: &Value, place: &Place) -> Vec<Problem> {
        let verdicts: Vec<_> =
            shape.pieces().iter().map(|piece| self.verdict(piece, schema, place).0).collect();
        if verdicts.iter().all(|verdict| *verdict == Verdict::Never) {
            return Vec::new();
        }
        let sure = verdicts.iter().all(|verdict| *verdict == Verdict::Always);
        let be = if sure { "is" } else { "may be" };
        vec![place.problem("not", sure, format!("{be} what `not` excludes"))]
    }

    /// `if`, `then`, `else`: where it is not known which, both.
    pub(super) fn condition(
        &self,
        shape: &Shape,
        condition: &Value,
        schema: &Map<String, Value>,
        place: &Place,
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        for piece in shape.pieces() {
            let (verdict, _) = self.verdict(&piece, condition, place);
            for (keyword, left_out) in [("then", Verdict::Never), ("else", Verdict::Always)] {
                let Some(schema) = schema.get(keyword).filter(|_| verdict != left_out) else {
                    continue;
                };
                let inside = self.check(&piece, schema, &place.deeper());
                if !inside.is_empty() {
                    let detail = format!(
                        "may not be what `{keyword}` says: {}",
                        said(place, [inside].into_iter())
                    );
                    problems.push(place.problem("if", false, detail));
                }
            }
        }
        problems.truncate(1);
        problems
    }
}

/// What is wrong with the branch that has the fewest problems.
fn said(place: &Place, branches: impl Iterator<Item = Vec<Problem>>) -> String {
    let Some(nearest) = branches.min_by_key(Vec::len) else { return "there is none".to_owned() };
    let one = |p: &Problem| match p.pointer.strip_prefix(&place.pointer) {
        Some("") | None => format!("it {}", p.detail),
        Some(inside) => format!("`{inside}` {}", p.detail),
    };
    nearest.iter().map(one).collect::<Vec<_>>().join(", ")
}
