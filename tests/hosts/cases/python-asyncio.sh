# Children that end are noticed through SIGCHLD, pidfds or threads.
# quick
# needs: python3
. "$HOSTS_LIB"
host python3 -c '
import asyncio
async def one(i):
    p = await asyncio.create_subprocess_exec("sh", "-c", "echo %d; exit %d" % (i, i), stdout=-1)
    out = (await p.communicate())[0]
    return int(out), p.returncode
async def every():
    return await asyncio.gather(*[one(i) for i in range(20)])
print(asyncio.run(every()))'
