use super::*;

#[tokio::test]
async fn a_process_whose_port_another_took_is_not_believed_to_be_ready() -> anyhow::Result<()> {
    let target = "{ mcp: { url: \"http://127.0.0.1:1/mcp\" } }";
    let sections = &format!("gateways: {{ corp: {{ inbound: none, targets: {{ nobody: {target} }} }} }}\n");
    let first = Gateway::start(sections).await?;
    let folder = Arc::new(tempfile::tempdir()?);
    let second = Gateway::launch(folder, sections, &[], free_port(), first.admin).await;
    let error = second.err().context("the other one's answer was taken for its own")?;
    assert!(error.to_string().contains("in use"), "{error}");
    Ok(())
}
