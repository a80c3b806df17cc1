"""An emulated AWS on a free loopback port, which checks signatures, and the official client to sign.

It prints one line with its address as soon as it answers. Then each line of standard input says what is
to be signed, as JSON: by whom (`user`, `role`, `stranger`), which headers beside the usual ones, when and
with which body. The answer is one line with the request as it would be sent. It ends when its input does.
"""

import datetime
import json
import os
import sys

os.environ.update(AWS_EC2_METADATA_DISABLED="true", AWS_MAX_ATTEMPTS="1")
sys.stderr = open(os.devnull, "w", encoding="utf-8")

import boto3
import requests
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.server import ThreadedMotoServer

REGION = "us-east-1"


def people(url):
    """The credentials of a user, of a role's session and of nobody. Made before signatures count."""
    first = {
        "endpoint_url": url,
        "region_name": REGION,
        "aws_access_key_id": "first",
        "aws_secret_access_key": "first",
    }
    iam = boto3.client("iam", **first)
    iam.create_user(Path="/team/", UserName="deploy")
    key = iam.create_access_key(UserName="deploy")["AccessKey"]
    role = iam.create_role(Path="/ci/", RoleName="deployer", AssumeRolePolicyDocument="{}")["Role"]
    session = boto3.client("sts", **first).assume_role(RoleArn=role["Arn"], RoleSessionName="erik@example.com")
    given = session["Credentials"]
    requests.post(f"{url}/moto-api/reset-auth", data="0", timeout=10).raise_for_status()
    return {
        "user": Credentials(key["AccessKeyId"], key["SecretAccessKey"]),
        "role": Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]),
        "stranger": Credentials(key["AccessKeyId"], "not-the-secret-of-this-key-at-all-0000000"),
    }


def sign(url, known, wanted):
    signer = auth.SigV4Auth(known[wanted["by"]], "sts", REGION)
    headers = {"Content-Type": "application/x-www-form-urlencoded", **wanted.get("headers", {})}
    request = AWSRequest(method="POST", url=url + "/", data=wanted["body"], headers=headers)
    now = auth.get_current_datetime
    if wanted.get("ago"):
        auth.get_current_datetime = lambda: now() - datetime.timedelta(seconds=wanted["ago"])
    signer.add_auth(request)
    auth.get_current_datetime = now
    return {"url": url + "/", "headers": list(request.headers.items()), "body": wanted["body"]}


def main():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    known = people(url)
    print(url, flush=True)
    for line in sys.stdin:
        print(json.dumps(sign(url, known, json.loads(line))), flush=True)
    server.stop()


main()
