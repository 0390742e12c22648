# needs: cargo rustc
. "$HOSTS_LIB"
cd varies
mkdir -p p/src && cd p
printf '[package]\nname = "p"\nversion = "0.1.0"\nedition = "2021"\n' > Cargo.toml
cat > src/main.rs <<'R'
use std::{process::Command, sync::mpsc, thread};
fn main() {
    let (to, from) = mpsc::channel();
    for i in 0..8u64 {
        let to = to.clone();
        thread::spawn(move || to.send((0..100_000u64).map(|x| x * i).sum::<u64>()).unwrap());
    }
    drop(to);
    println!("{}", from.iter().sum::<u64>());
    println!("{:?}", Command::new("sh").args(["-c", "exit 7"]).status().unwrap().code());
    println!("{:?}", thread::spawn(|| { if true { panic!("told") } }).join().is_err());
}
#[test]
fn adds() { assert_eq!(2 + 2, 4); }
R
host cargo build -q --offline 2>&1; echo "status $?"
host cargo test -q --offline 2>&1 | grep -E '^test result' | sed 's/;[^;]*finished.*//'
host target/debug/p 2> /dev/null
