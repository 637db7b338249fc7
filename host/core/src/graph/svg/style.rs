//! How things look.

use super::super::Style;
use crate::workflow::Kind;

/// The radius of the dot at which messages start.
pub(super) const START_RADIUS: f64 = 7.0;

/// The class of a line.
pub(super) fn class(style: Style) -> &'static str {
    match style {
        Style::Flow => "sg-flow",
        Style::Failure => "sg-failure",
        Style::Operator => "sg-operator",
    }
}

/// The class of a state.
pub(super) fn state_class(kind: &Kind) -> &'static str {
    match kind {
        Kind::Invoke(_) => "sg-invoke",
        Kind::Choose(_) => "sg-choose",
        Kind::Wait(_) => "sg-wait",
        Kind::Parked(_) => "sg-parked",
        Kind::Final => "sg-final",
    }
}

/// All classes begin with `sg-`, so that a page that holds the picture keeps its
/// own look.
pub(super) const CSS: &str = "\
.sg-graph{font-family:system-ui,'Segoe UI',Roboto,'Helvetica Neue',Arial,'DejaVu Sans',sans-serif}
.sg-paper{fill:#fff}
.sg-graph text{fill:#1b1f24;font-size:11px}
.sg-graph .sg-title{font-size:16px;font-weight:bold}
.sg-graph .sg-name{font-size:13px;font-weight:bold;text-anchor:middle}
.sg-graph .sg-note,.sg-graph .sg-muted{fill:#57606a}
.sg-graph .sg-note,.sg-graph .sg-label{text-anchor:middle}
.sg-graph .sg-about{font-style:italic}
.sg-box{stroke-width:1.5}
.sg-invoke{fill:#eef4ff;stroke:#3b6fb6}
.sg-choose{fill:#fff6dc;stroke:#a67c00}
.sg-wait{fill:#f3eefc;stroke:#7a52b3}
.sg-parked{fill:#fdeceb;stroke:#c0392b;stroke-dasharray:6 3}
.sg-final{fill:#ebf7ed;stroke:#2f7d43}
.sg-inner{fill:none}
.sg-mark{fill:none;stroke:#57606a;stroke-width:1.3}
.sg-start{fill:#1b1f24}
.sg-line{fill:none;stroke-width:1.4}
.sg-line.sg-flow{stroke:#3d4752}
.sg-line.sg-failure{stroke:#c0392b;stroke-dasharray:6 3}
.sg-line.sg-operator{stroke:#868e96;stroke-dasharray:1.5 3}
.sg-head.sg-flow{fill:#3d4752}
.sg-head.sg-failure{fill:#c0392b}
.sg-head.sg-operator{fill:#868e96}
.sg-failure .sg-label{fill:#a52a1e}
.sg-operator .sg-label{fill:#6b737b}
.sg-badge{fill:#1b1f24}
.sg-graph .sg-count{fill:#fff;font-weight:bold;text-anchor:middle}
@media (prefers-color-scheme:dark){
.sg-paper{fill:#15181c}
.sg-graph text{fill:#e6e8ea}
.sg-graph .sg-note,.sg-graph .sg-muted{fill:#a3abb3}
.sg-invoke{fill:#1b2739;stroke:#6f9fe0}
.sg-choose{fill:#33290c;stroke:#d6ac35}
.sg-wait{fill:#2a2139;stroke:#ab8be0}
.sg-parked{fill:#3a1d1b;stroke:#ef7b6f}
.sg-final{fill:#17301e;stroke:#63b878}
.sg-inner{fill:none}
.sg-mark{fill:none;stroke:#a3abb3}
.sg-start{fill:#e6e8ea}
.sg-line.sg-flow{stroke:#b6bec6}
.sg-line.sg-failure{stroke:#ef7b6f}
.sg-line.sg-operator{stroke:#868e96}
.sg-head.sg-flow{fill:#b6bec6}
.sg-head.sg-failure{fill:#ef7b6f}
.sg-failure .sg-label{fill:#f39b92}
.sg-operator .sg-label{fill:#a3abb3}
.sg-badge{fill:#e6e8ea}
.sg-graph .sg-count{fill:#15181c}
}
";
