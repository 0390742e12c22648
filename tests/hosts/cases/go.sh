# The go command, a pure program and one with cgo.
# needs: go gcc
. "$HOSTS_LIB"
cd varies
export GOCACHE=$PWD/cache GOFLAGS=-mod=mod GOPATH=$PWD/gopath
mkdir p && cd p && printf 'module p\n\ngo 1.19\n' > go.mod
cat > main.go <<'G'
package main

import (
	"fmt"
	"os/exec"
	"os/signal"
	"os"
	"sync"
	"syscall"
)

func main() {
	var w sync.WaitGroup
	sums := make([]int, 8)
	for i := range sums {
		w.Add(1)
		go func(i int) { defer w.Done(); for x := 0; x < 100000; x++ { sums[i] += x * i } }(i)
	}
	w.Wait()
	fmt.Println(sums)
	c := make(chan os.Signal, 9)
	signal.Notify(c, syscall.SIGUSR1, syscall.SIGURG)
	syscall.Kill(syscall.Getpid(), syscall.SIGUSR1)
	for s := range c { if s == syscall.SIGUSR1 { fmt.Println(s); break } }
	fmt.Println(exec.Command("sh", "-c", "exit 7").Run())
}
G
CGO_ENABLED=0 host go build -o pure . ; echo "status $?"
CGO_ENABLED=0 host ./pure
mkdir ../c && cd ../c && sed 's/^module p/module c/' ../p/go.mod > go.mod
{ printf 'package main\n\n// #include <stdlib.h>\nimport "C"\n'; sed 1d ../p/main.go | sed 's/^func main() {/func main() {\n\tfor i := 0; i < 1000; i++ { C.free(C.malloc(1000)) }/'; } > main.go
CGO_ENABLED=1 host go build -o with . ; echo "status $?"
host ./with
host go vet . ; echo "status $?"
