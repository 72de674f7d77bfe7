const CONFIG: hyaline::Config = hyaline::Config::new().era_step::<0>();

fn main() {
    let _ = CONFIG;
}
