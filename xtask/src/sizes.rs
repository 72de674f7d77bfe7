pub fn run(_: lexopt::Parser) -> Result<(), String> {
    Err("later".into())
}
