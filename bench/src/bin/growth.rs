//! Draws the pictures of `docs/cores.md` from its tables, into the folder of the page.

use std::{env, error::Error, fs, path::Path};

use hyaline_bench::growth;

fn main() -> Result<(), Box<dyn Error>> {
    let page = env::args_os().nth(1).ok_or("growth: the page is missing")?;
    let page = Path::new(&page);
    let folder = page.parent().ok_or("growth: the page has no folder")?;
    for row in growth::rows(&fs::read_to_string(page)?) {
        fs::write(folder.join(&row.file), growth::picture(&row)?)?;
    }
    Ok(())
}
