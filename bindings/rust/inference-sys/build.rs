fn main() {
    if let Err(error) = pkg_config::Config::new().atleast_version("0.1").probe("inference") {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
