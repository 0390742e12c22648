# needs: java javac
. "$HOSTS_LIB"
cat > varies/A.java <<'J'
import java.util.*;
import java.util.stream.*;
public class A {
    public static void main(String[] a) throws Exception {
        System.out.println(IntStream.range(0, 1000000).parallel().mapToLong(i -> (long) i * i).sum());
        List<byte[]> kept = new ArrayList<>();
        for (int i = 0; i < 200000; i++) { byte[] b = new byte[100]; if (i % 100 == 0) kept.add(b); }
        System.gc();
        System.out.println(kept.size());
        System.out.println(new ProcessBuilder("sh", "-c", "exit 7").start().waitFor());
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
        try { Object o = null; o.hashCode(); } catch (NullPointerException e) { System.out.println("null"); } // a SIGSEGV of the JVM's own
        System.exit(5);
    }
}
J
cd varies
host javac A.java; echo "status $?"
host java -Xmx128m -cp . A; echo "status $?"
host java -Xmx128m -Xint -cp . A; echo "status $?"
