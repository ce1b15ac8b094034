import java.io.*;
import java.net.*;
import java.security.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;

/**
 * Hundreds of threads, locks, garbage, a scheduled task, a file and a child process; with an argument, only a port. Nothing of
 * java.nio here: its channels keep a socket at hand.
 */
public class Workers {
	static final String READY = System.getenv("VICTIM_READY"), GO = System.getenv("VICTIM_GO");
	static final String RESULT = System.getenv("VICTIM_RESULT");
	static final int ROUNDS = Integer.parseInt(System.getenv("ROUNDS"));

	static void check(boolean right, String what) {
		if (!right)
			throw new IllegalStateException(what);
	}

	static String chain(String seed, int links) throws Exception {
		byte[] value = seed.getBytes();
		for (int i = 0; i < links; i++)
			value = MessageDigest.getInstance("SHA-256").digest(value);
		return HexFormat.of().formatHex(value);
	}

	static void write(String path, String text) throws IOException {
		try (FileWriter file = new FileWriter(path + ".part")) {
			file.write(text);
		}
		check(new File(path + ".part").renameTo(new File(path)), "rename " + path);
	}

	static boolean mayGo(int round) {
		return new File(GO + "." + round).exists();
	}

	/** Two hundred threads that each count on, in a small lock's waits. */
	static class Crowd {
		final AtomicIntegerArray counts = new AtomicIntegerArray(200);
		final CountDownLatch over = new CountDownLatch(1);
		final List<Thread> threads = new ArrayList<>();

		Crowd() {
			for (int i = 0; i < counts.length(); i++) {
				int number = i;
				threads.add(new Thread(() -> count(number)));
				threads.get(i).start();
			}
		}

		void count(int number) {
			try {
				while (!over.await(50 + number % 100, TimeUnit.MILLISECONDS))
					counts.incrementAndGet(number);
			} catch (InterruptedException error) {
				counts.set(number, -1);
			}
		}

		void end() throws Exception {
			int[] before = new int[counts.length()];
			for (int i = 0; i < before.length; i++)
				before[i] = counts.get(i);
			for (int i = 0; i < before.length; i++)
				for (int tries = 0; counts.get(i) <= before[i]; tries++) {
					check(tries < 3000, "thread " + i + " has stopped at " + before[i]);
					Thread.sleep(10);
				}
			over.countDown();
			for (Thread thread : threads)
				thread.join();
		}
	}

	static void work() throws Exception {
		Crowd crowd = new Crowd();
		ExecutorService pool = Executors.newFixedThreadPool(3);
		ScheduledExecutorService clock = Executors.newScheduledThreadPool(1);
		AtomicInteger ticks = new AtomicInteger();
		clock.scheduleAtFixedRate(ticks::incrementAndGet, 5, 5, TimeUnit.MILLISECONDS);
		Process child = new ProcessBuilder("sed", "-u", "s/number/answer/").start();
		BufferedReader from = child.inputReader();
		BufferedWriter to = child.outputWriter();
		RandomAccessFile file = new RandomAccessFile(RESULT + ".notes", "rw");
		Map<Integer, String> kept = new ConcurrentHashMap<>();
		int n = 0, said = 0, round = 0;
		while (round < ROUNDS) {
			int number = ++n;
			List<Future<String>> sums = new ArrayList<>();
			for (int i = 0; i < 3; i++)
				sums.add(pool.submit(() -> chain("seed " + number, 50)));
			for (Future<String> sum : sums)
				check(sum.get().equals(chain("seed " + number, 50)), "sum " + number);
			to.write("number " + number + "\n");
			to.flush();
			check(("answer " + number).equals(from.readLine()), "answer " + number);
			byte[][] garbage = new byte[64][];
			for (int i = 0; i < garbage.length; i++)
				garbage[i] = ("" + number + i).repeat(300).getBytes();
			kept.put(number, new String(garbage[number % 64], 0, 20));
			file.writeInt(number);
			if (said == round && number >= 30 * (round + 1))
				write(READY + "." + ++said, "");
			if (said > round && mayGo(said))
				round++;
		}
		for (int i = 1; i <= n; i++)
			check(kept.get(i).equals(("" + i + i % 64).repeat(300).substring(0, 20)), "kept " + i);
		file.seek(0);
		for (int i = 1; i <= n; i++)
			check(file.readInt() == i, "notes " + i);
		crowd.end();
		int before = ticks.get();
		Thread.sleep(100);
		check(ticks.get() > before, "the clock has stopped");
		to.close();
		check(child.waitFor() == 0, "child");
		pool.shutdown();
		clock.shutdownNow();
		check(pool.awaitTermination(10, TimeUnit.SECONDS), "pool");
	}

	static void listen() throws Exception {
		try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
			write(READY + ".1", "" + socket.getLocalPort());
			while (!mayGo(1))
				Thread.sleep(5);
			check(socket.isBound(), "bound");
		}
	}

	public static void main(String[] arguments) throws IOException {
		String result = "ok\n";
		try {
			if (arguments.length > 0)
				listen();
			else
				work();
		} catch (Throwable error) {
			StringWriter text = new StringWriter();
			error.printStackTrace(new PrintWriter(text));
			result = "FAIL " + text;
		}
		write(RESULT, result);
	}
}
