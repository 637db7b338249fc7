//! What stands above the picture, and what explains it below.

use std::collections::BTreeSet;

use super::super::Style;
use super::paper::{Paper, width};
use super::state::shape;
use super::{cut, style};
use crate::workflow::{Kind, Wait, Workflow};

/// The most characters of the workflow's description that are shown.
const ABOUT_CHARS_MAX: usize = 90;

/// How wide the legend is.
pub(super) const LEGEND_WIDTH: f64 = 560.0;

/// The room that is taken.
pub(super) struct Taken {
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Which workflow it is.
pub(super) fn header(paper: &mut Paper, workflow: &Workflow) -> Taken {
    let name = workflow.msg_type.as_str();
    let digest = workflow.digest.to_string();
    let version = format!("version {} · {}", workflow.version, cut(&digest, 11));
    let about = cut(&workflow.description, ABOUT_CHARS_MAX);
    let beside = width(name, 16.0, true) + 10.0;
    paper.open(r#"class="sg-header""#);
    paper.title(&format!("{name} version {} · {digest}", workflow.version));
    paper.text("sg-title", 0.0, 14.0, name);
    paper.text("sg-muted", beside, 14.0, &version);
    paper.close();
    if about.is_empty() {
        return Taken { width: beside + width(&version, 11.0, false), height: 34.0 };
    }
    paper.open(r#"class="sg-header""#);
    paper.title(&workflow.description);
    paper.text("sg-muted", 0.0, 32.0, &about);
    paper.close();
    let widest = (beside + width(&version, 11.0, false)).max(width(&about, 11.0, false));
    Taken { width: widest, height: 52.0 }
}

/// What is meant by what. Gives its height.
pub(super) fn legend(paper: &mut Paper, top: f64) -> f64 {
    let wait = Wait { on: std::collections::BTreeMap::new(), after: Vec::new() };
    let kinds = [
        (Kind::Choose(Vec::new()), "choice", 95.0),
        (Kind::Wait(wait), "wait", 190.0),
        (Kind::Parked(BTreeSet::new()), "parked", 275.0),
        (Kind::Final, "final", 370.0),
    ];
    paper.open(&format!(r#"class="sg-legend" transform="translate(0 {top})""#));
    paper.rect("sg-box sg-invoke", 1.0, 0.0, 26.0, 14.0, 4.0);
    paper.text("sg-muted", 34.0, 11.0, "action");
    for (kind, name, left) in &kinds {
        shape(paper, kind, (*left, 0.0), (26.0, 14.0));
        paper.text("sg-muted", left + 33.0, 11.0, name);
    }
    let lines = [
        (Style::Flow, "answer, guard, signal, timer", 1.0),
        (Style::Failure, "failure", 240.0),
        (Style::Operator, "operator", 340.0),
    ];
    for (style, name, left) in lines {
        let class = style::class(style);
        paper.path(&format!("sg-line {class}"), &format!("M{left} 31h26"));
        paper.path(&format!("sg-head {class}"), &format!("M{} 31l-8 -4v8z", left + 27.0));
        paper.text("sg-muted", left + 34.0, 35.0, name);
    }
    paper.close();
    40.0
}
