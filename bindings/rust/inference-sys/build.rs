fn main() {
    if let Err(error) = pkg_config::Config::new().atleast_version("0.1").probe("inference") {
        eprintln!("{error}");
        eprintln!("libinference is found by pkg-config: set PKG_CONFIG_PATH to the folder of inference.pc");
        std::process::exit(1);
    }
}
