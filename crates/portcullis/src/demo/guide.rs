//! The guided tour, as it is printed.

use super::curl;
use super::people::{TOKEN_HOURS, Who};
use super::stage::Stage;
use super::tour;

/// Prints what runs where, and what to paste into another terminal.
#[expect(clippy::print_stdout, reason = "the verb's output")]
pub fn print(stage: &Stage) {
    println!("{}", text(stage));
}

fn text(stage: &Stage) -> String {
    let mut text = about(stage);
    for (number, step) in (1..).zip(tour::steps()) {
        text.push_str(&format!("\n# {number}. {}\n", step.title));
        for exchange in &step.exchanges {
            if !exchange.look_for.is_empty() {
                text.push_str(&format!("#    Look for: {}.\n", exchange.look_for));
            }
            text.push_str(&format!("{}\n", curl::commands(exchange)));
        }
    }
    text.push_str(&format!(
        r#"
# Connect a client of your own: the MCP Inspector, or an assistant that reads its servers from the command line.
npx -y @modelcontextprotocol/inspector@latest --cli "$URL" --transport http --header "Authorization: Bearer $ALICE" --method tools/list
claude mcp add --transport http corp "$URL" --header "Authorization: Bearer $ALICE"

# A token for somebody else.
'{}' token --sub carol --claim 'roles=["manager"]' -c '{}'

Each call, read and question of somebody who was let in is recorded below. Lists are not, nor who was kept out.
Ctrl-C stops the demo.
"#,
                stage.program.display(),
        stage.config.display()
    ));
    text
}

fn about(stage: &Stage) -> String {
    let token = |who| stage.people.token(who).unwrap_or_default();
    format!(
        r#"
Portcullis: one gate in front of three servers.

  gateway      {url}
  admin        {admin}/readyz
  legal        {legal}    speaks 2025-11-25, with sessions
  finance      {finance}    speaks 2026-07-28, and wants to know who calls
  operations   a child process, on stdin and stdout
  users        alice, a manager, and bob; their tokens are good for {TOKEN_HOURS} hours
  configured   in {config}

Paste this into another terminal with bash, or with zsh after `setopt interactive_comments`, a step at a time.

export URL={url}
export ALICE={alice}
export BOB={bob}
{helpers}
"#,
        url = stage.url,
        admin = stage.admin,
        legal = stage.legal,
        finance = stage.finance,
        config = stage.config.display(),
        alice = token(Who::Alice),
        bob = token(Who::Bob),
        helpers = curl::HELPERS,
    )
}
