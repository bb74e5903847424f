//! Tables as LaTeX.

use engine::graph::Table;

use super::{Format, Judgements, column, judged, render, rendered, row_of, value};

#[test]
fn latex() {
    let expected = r#"% in the preamble: \usepackage{booktabs}
\begin{table}
  \centering
  \caption{Table 1}
  \label{tab:table1}
  \begin{tabular}{llrlr}
    \toprule
     & \multicolumn{2}{c}{f1-score} & \multicolumn{2}{c}{f1-score, \char34{}GAN\char34{}} \\
    \cmidrule(lr){2-3} \cmidrule(lr){4-5}
    model & ours & paper & ours & paper \\
    \midrule
    model1 & 0.918 [0.89, 0.94] & 0.95 & 0.800 & 0.80 \\
    model10 & 1.000 [0.50, 1.00] & 0.96 & 1.000 [0.50, 1.00] &  \\
    model2 & not run &  & failed &  \\
    \bottomrule
  \end{tabular}
  \par\footnotesize 95 \% intervals over test images
\end{table}
"#;
    assert_eq!(rendered(Format::Latex), expected);
}

#[test]
fn latex_has_verdicts_next_to_our_values() {
    let text = judged(Format::Latex);
    for line in [
        r"model1 & 0.9182 [0.89, 0.94] $\times$ (at most 0.918) & 0.95 & 0.800 & 0.80 \\",
        r"model10 & 1.000 [0.50, 1.00] $\surd$ & 0.96 & 1.000 [0.50, 1.00] $\times$ ($-$0.5 to 0.5) &  \\",
        r"model2 & not run ? &  & failed &  \\",
    ] {
        assert!(text.contains(&format!("    {line}\n")), "{text}");
    }
}

#[test]
fn latex_without_reference_values_has_one_line_of_titles() {
    let plain = Table {
        name: "all_losses".to_owned(),
        title: None,
        axes: vec!["width_%".to_owned()],
        rows: vec![row_of("width_%", "4")],
        columns: vec![
            column("a & b_c", "evaluate", &[]),
            column(r"50 % {of} $#~^\<|>", "other", &[]),
        ],
    };
    let text = render(
        &plain,
        |_, _| value(-0.25, Some([-0.5, 0.0])),
        &Judgements::default(),
        &[],
        Format::Latex,
        None,
    );
    let expected = r"% in the preamble: \usepackage{booktabs}
\begin{table}
  \centering
  \begin{tabular}{lll}
    \toprule
    width\_\% & a \& b\_c & 50 \% \{of\} \$\#\textasciitilde{}\textasciicircum{}\textbackslash{}\textless{}\textbar{}\textgreater{} \\
    \midrule
    4 & $-$0.250 [$-$0.50, 0.00] & $-$0.250 [$-$0.50, 0.00] \\
    \bottomrule
  \end{tabular}
  \par\footnotesize 95 \% intervals over test images
\end{table}
";
    assert_eq!(text, expected);
}
