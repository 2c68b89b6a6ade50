"""What the client scripts of both generations share: their command line and their one line of output."""

import argparse
import json


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("plan", type=json.loads)
    parser.add_argument("--token")
    parser.add_argument("--mode", default="auto")
    return parser.parse_args()


def report(protocol, steps):
    print(json.dumps({"protocol": protocol, "steps": steps}))
