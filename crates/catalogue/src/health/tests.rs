use mcp::Raw;

use super::*;

#[test]
fn more_entries_than_are_kept_are_not_said_to_be_there() {
    let entry = Raw::parse("{}").unwrap();
    let capture = Capture { tools: vec![entry.clone(); 7], prompts: vec![entry; 3], ..Capture::default() };
    let said = "5 tools of 7 or more (`limits.catalogue_items`), 3 prompts, 0 resources";
    assert_eq!(kept(&capture, 5), said);
    assert_eq!(kept(&capture, 7), "7 tools, 3 prompts, 0 resources");
}
