//! Blocks as HTML with inline styles; the layout around them holds the rest.

use super::block::{Block, Run};
use super::shield::escape_html;

/// The HTML of `blocks`, without a frame.
pub(super) fn html(blocks: &[Block]) -> String {
    let mut out = String::new();
    write_blocks(blocks, &mut out);
    out.truncate(out.trim_end().len());
    out
}

fn write_blocks(blocks: &[Block], out: &mut String) {
    for block in blocks {
        match block {
            Block::Heading { level, runs } => {
                let (level, size) = (level.clamp(&1, &6), if *level == 1 { 20 } else { 17 });
                let style = format!("margin:24px 0 8px;font-size:{size}px;line-height:1.3;");
                out.push_str(&format!("<h{level} style=\"{style}\">{}</h{level}>\n", inline(runs)));
            }
            Block::Paragraph(runs) => {
                out.push_str(&format!("<p style=\"margin:0 0 16px;\">{}</p>\n", inline(runs)));
            }
            Block::List { start, items } => write_list(*start, items, out),
            Block::Quote(blocks) => {
                out.push_str(
                    "<blockquote style=\"margin:0 0 16px;padding-left:12px;border-left:3px solid #8c959f;\">\n",
                );
                write_blocks(blocks, out);
                out.push_str("</blockquote>\n");
            }
            Block::Code(code) => {
                let style = "margin:0 0 16px;white-space:pre-wrap;font-family:monospace;";
                out.push_str(&format!("<pre style=\"{style}\">{}</pre>\n", escape_html(code)));
            }
            Block::Rule => {
                out.push_str("<hr style=\"margin:24px 0;border:0;border-top:1px solid #8c959f;\">\n");
            }
        }
    }
}

fn write_list(start: Option<u64>, items: &[Vec<Block>], out: &mut String) {
    let style = "margin:0 0 16px;padding-left:24px;";
    match start {
        None => out.push_str(&format!("<ul style=\"{style}\">\n")),
        Some(1) => out.push_str(&format!("<ol style=\"{style}\">\n")),
        Some(first) => out.push_str(&format!("<ol start=\"{first}\" style=\"{style}\">\n")),
    }
    for item in items {
        match item.as_slice() {
            [Block::Paragraph(runs)] => out.push_str(&format!("<li style=\"margin:0 0 4px;\">{}</li>\n", inline(runs))),
            blocks => {
                out.push_str("<li style=\"margin:0 0 4px;\">\n");
                write_blocks(blocks, out);
                out.push_str("</li>\n");
            }
        }
    }
    out.push_str(if start.is_some() { "</ol>\n" } else { "</ul>\n" });
}

fn inline(runs: &[Run]) -> String {
    let mut out = String::new();
    for run in runs {
        let (text, strong, emphasis, link) = match run {
            Run::Text { text, strong, emphasis, link } => (text, strong, emphasis, link),
            Run::Picture { file, words, link } => {
                let style = "max-width:100%;height:auto;border:0;";
                let (file, words) = (escape_html(file), escape_html(words));
                let picture = format!("<img src=\"{file}\" alt=\"{words}\" style=\"{style}\">");
                out.push_str(&match link {
                    Some(target) => format!("<a href=\"{}\">{picture}</a>", escape_html(target)),
                    None => picture,
                });
                continue;
            }
            Run::Break => {
                out.push_str("<br>\n");
                continue;
            }
        };
        let mut piece = escape_html(text);
        if *emphasis {
            piece = format!("<em>{piece}</em>");
        }
        if *strong {
            piece = format!("<strong>{piece}</strong>");
        }
        if let Some(target) = link {
            piece = format!("<a href=\"{}\" style=\"color:#0b57d0;\">{piece}</a>", escape_html(target));
        }
        out.push_str(&piece);
    }
    out
}
